"""What a browser finds on every page: served, and opened from its file."""

import pytest
from web import DESKTOP, PHONE


def test_a_page_asks_no_other_host(visit, server):
    strange = [url for url in visit.requests if url.startswith("http")]
    assert not [url for url in strange if not url.startswith(f"{server}/")]


def test_a_page_opened_from_its_file_asks_for_files_only(opened):
    assert not [
        url
        for url in opened.requests
        if url.split(":")[0] not in ("file", "data", "blob")
    ]


def test_nothing_goes_wrong_on_a_page(visit):
    assert not visit.faults


def test_nothing_goes_wrong_on_a_page_opened_from_its_file(opened):
    assert not opened.faults


def test_every_formula_is_set(visit):
    assert visit.page.locator("mjx-merror, [data-mjx-error]").count() == 0
    formulas = visit.page.locator("article .math").count()
    assert visit.page.locator("article .math mjx-container").count() >= formulas


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, scheme):
    assert not visit.barriers(scheme)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window(visit, viewport):
    assert visit.overhang(viewport) <= 0


def test_the_first_view_is_light(visit):
    assert 0 < visit.first_view <= 1_000_000
