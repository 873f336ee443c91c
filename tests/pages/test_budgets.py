"""Seconds of execution, as the build that filled the cache measured them."""

import jupytext
import pytest
from execute import CACHE
from jupyter_cache import get_cache
from source import chapters

SLACK = 1.3


@pytest.fixture(scope="module")
def seconds():
    """Seconds of each chapter and of its solutions."""
    if not CACHE.is_dir():
        pytest.skip("nothing was executed yet: `make book` measures")
    cache = get_cache(CACHE)

    def ran(page):
        data = cache.match_cache_notebook(jupytext.read(page)).data
        if not data.get("alone"):
            pytest.skip("run two at a time: `make clean book JOBS=1` measures")
        return data["execution_seconds"]

    return {
        page.stem: (ran(page), ran(page.with_stem(f"{page.stem}_solutions")))
        for page in chapters()
    }


def test_a_chapter_and_its_solutions_run_in_45_seconds(seconds):
    assert not {
        name: times for name, times in seconds.items() if sum(times) > 45 * SLACK
    }


def test_solutions_run_in_15_seconds(seconds):
    assert not {name: times for name, times in seconds.items() if times[1] > 15 * SLACK}


def test_chapters_run_in_35_seconds_on_average(seconds):
    totals = [sum(times) for times in seconds.values()]
    assert sum(totals) / len(totals) <= 35 * SLACK
