"""What is written on every page of the built site; no browser needed."""

import datetime
import json
import re
from urllib.parse import unquote, urlsplit

import pytest
from source import ROOT, Page, chapters, toc
from web import SITE, parse

CHAPTERS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in chapters()]
ATTRIBUTE = {"a": "href", "link": "href", "img": "src", "script": "src"}


def addresses(markup):
    """Addresses that a page names, those of data left out."""
    named = [tag.get(ATTRIBUTE[tag.name]) for tag in markup(list(ATTRIBUTE))]
    return {address for address in named if address and address[:5] != "data:"}


def resolve(name, address):
    """File and anchor behind a relative address on a page."""
    page, parts = SITE / f"{name}.html", urlsplit(address)
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return file, unquote(parts.fragment)


def leads(file, anchor):
    """Whether the file is there, and the anchor in it."""
    if file.suffix != ".html" or not anchor:
        return file.is_file()
    return file.is_file() and parse(file).find(id=anchor) is not None


def test_no_cell_failed(markup):
    outputs = [each.get_text() for each in markup.select(".cell_output")]
    assert not [text for text in outputs if "Traceback (most recent" in text]


def test_no_output_is_the_name_of_an_object(markup):
    outputs = [each.get_text() for each in markup.select(".cell_output .text_plain")]
    assert not [text for text in outputs if re.match(r"\s*\[?(<[\w.]+|Text\()", text)]


def test_every_code_cell_of_the_source_stands_on_the_page(name, markup):
    tags = [cell.options.get("tags", "") for cell in Page(ROOT / f"{name}.md").cells]
    shown = [each for each in tags if not re.search("remove-(cell|input)", str(each))]
    assert len(markup.select(".cell_input")) == len(shown)


def test_a_figure_holds_one_picture_and_a_caption_of_its_own(markup):
    figures = markup.select("article figure")
    for figure in figures:
        assert figure.select_one("img, svg, canvas"), figure.get_text()
        assert not figure.select(".claim"), figure.get_text()
    captions = [figure.select_one(".caption-text") for figure in figures]
    texts = [caption.get_text() for caption in captions if caption]
    assert len(set(texts)) == len(texts)


def test_every_picture_has_alternative_text(markup):
    assert not [image for image in markup("img") if "alt" not in image.attrs]
    assert not [image for image in markup.select("article img") if not image["alt"]]


def test_every_local_address_leads_somewhere(name, markup):
    broken = []
    for address in addresses(markup):
        file, anchor = resolve(name, address)
        if not urlsplit(address).netloc and not leads(file, anchor):
            broken.append(address)
    assert not broken


def test_neighbours_are_those_of_the_table_of_contents(name, markup):
    pages, place = toc(), toc().index(name)
    expected = pages[max(place - 1, 0) : place] + pages[place + 1 : place + 2]
    links = markup.select(".prev-next-area a")
    found = [resolve(name, link["href"])[0].relative_to(SITE) for link in links]
    assert [path.with_suffix("").as_posix() for path in found] == expected


def test_sections_are_listed_beside_the_page(markup):
    sections = {f"#{each['id']}" for each in markup.select("article section:has(> h2)")}
    listed = {link["href"] for link in markup.select("#pst-page-toc-nav a")}
    assert len(sections) < 2 or sections <= listed


def test_there_is_one_search_box(markup):
    assert len(markup.select("input[type=search]")) == 1


def test_the_foot_gives_edition_date_citation_and_errata(markup):
    foot = markup.select_one(".page-frame")
    assert re.search(r"Edition \d+\.\d+", foot.get_text())
    built = datetime.date.fromisoformat(foot.time["datetime"])
    assert datetime.date(2024, 1, 1) < built <= datetime.date.today()
    assert re.search(r"@(book|incollection)\{\w+,", foot.pre.get_text())
    assert "mistake" in foot.get_text()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_top_of_a_chapter_gives_seconds_and_notebook(site, chapter):
    facts = parse(site / f"{chapter}.html").select_one("article .page-facts")
    assert re.search(r"Runs in \d+ s", facts.get_text())
    link = facts.select_one("a[download]")["href"]
    notebook = json.loads(resolve(chapter, link)[0].read_text(encoding="utf-8"))
    assert [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_a_page_and_its_pictures_are_light(name, markup):
    pictures = {image["src"] for image in markup.select("img[src]:not([src^=data])")}
    files = [SITE / f"{name}.html", *(resolve(name, each)[0] for each in pictures)]
    assert sum(file.stat().st_size for file in files) <= 1_500_000


def test_an_explorable_is_light(markup):
    for figure in markup.select("figure.explorable"):
        assert len(str(figure).encode()) < 400_000, figure["id"]
