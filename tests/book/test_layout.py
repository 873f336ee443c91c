"""Sections stand in order; figures have name, caption and alternative text."""

import ast
import re

import yaml
from source import calls

SECTIONS = [
    "At a glance",
    "Setting",
    "Beyond the model",
    "Where it breaks",
    "Exercises",
    "Notes",
]
OPTIONAL = ["Experiment", "Explore"]  # often woven into theory, or at the top


def makes_figure(cell):
    """Whether a cell draws a printed figure itself, not in a function it defines."""
    run = [node for node in cell.tree.body if not isinstance(node, ast.FunctionDef)]
    made = [call.func.attr for node in run for call in calls(node, "plt")]
    return bool({"subplots", "figure", "subplot_mosaic"} & set(made))


def test_sections_stand_in_order(chapter):
    titles = [text for level, text, _ in chapter.headings if level == 2]
    found = [
        name
        for text in titles
        for name in SECTIONS + OPTIONAL
        if text.lower().startswith(name.lower())
    ]
    assert [name for name in found if name not in OPTIONAL] == SECTIONS
    order = [*SECTIONS[:2], "Experiment", SECTIONS[2], "Explore", *SECTIONS[3:]]
    assert found == [name for name in order if name in found]
    assert [level for level, *_ in chapter.headings].count(1) == 1


def test_the_opening_lets_the_reader_predict_first(chapter):
    opening = chapter.text.split("\n## ")[0]
    assert re.search("predict first", opening, re.I)


def test_the_chapter_has_an_explorable(chapter):
    assert "figure" in [call.func.attr for call in chapter.calls("explore")]


def test_every_printed_figure_has_name_caption_and_alternative_text(page):
    for cell in page.cells:
        shown = cell.options.get("mystnb", {})
        if makes_figure(cell) or "figure" in shown:
            line = f"{page.path.name}:{cell.line + 1}"
            assert {"name", "caption"} <= set(shown.get("figure", {})), line
            assert shown.get("image", {}).get("alt"), line


def test_a_figure_cell_makes_its_figure_and_no_claim(page):
    for cell in page.cells:
        if "figure" in cell.options.get("mystnb", {}):
            claims = len(calls(cell.tree, "claims"))
            assert claims == 0, f"each claim of line {cell.line + 1} becomes a figure"


def test_a_page_with_code_says_that_it_is_a_notebook(page):
    if page.cells:
        header = yaml.safe_load(page.text.split("---\n")[1])
        form = header["jupytext"]["text_representation"]
        assert form["format_name"] == "myst"
        assert header["kernelspec"]["name"] == "python3"


def test_every_included_picture_has_alternative_text(page):
    for each in page.directives:
        if each.name in ("figure", "image"):
            assert each.options.get("alt"), f"{page.path.name}:{each.line + 1}"
