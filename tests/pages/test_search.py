"""Search finds chapters, also without a server."""

import pytest
from source import Page, chapters

ADDRESSES = ("server", "files")


@pytest.fixture(params=ADDRESSES)
def root(request, site):
    """Where the site begins."""
    return (
        site.as_uri() if request.param == "files" else request.getfixturevalue("server")
    )


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_the_title_of_a_chapter_finds_the_chapter(chromium, root, path):
    title = Page(path).headings[0][1]
    page = chromium.new_page()
    page.goto(f"{root}/book/intro.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(title)
    page.keyboard.press("Enter")
    result = page.locator(f"#search-results a[href*='/{path.stem}.html']")
    result.first.wait_for(timeout=10_000)
    page.close()
