"""The pages whose rules are tested: read, never run."""

from functools import cache

import pytest
from source import ROOT, Page, chapters, toc

read = cache(Page)
PAGES = [path for file in toc() if (path := ROOT / f"{file}.md").is_file()]


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request):
    """Each page of the table of contents that is there."""
    return read(request.param)


@pytest.fixture(
    params=[path for path in chapters() if path in PAGES], ids=lambda path: path.stem
)
def chapter(request):
    """Each chapter that is there."""
    return read(request.param)


@pytest.fixture
def solutions(chapter):
    """The worked solutions of the chapter."""
    return read(chapter.path.with_stem(f"{chapter.path.stem}_solutions"))


@pytest.fixture(scope="session")
def book():
    """All pages."""
    return [read(path) for path in PAGES]
