"""Pages, cells, modules and functions stay small enough to read."""

import ast

import pytest
from source import ROOT

FOLDERS = ("lib", "book", "tests")
MODULES = [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py"))]
ASSETS = {
    "lib/learndyn/figures/explorable.js": 150,
    "book/_static/book.css": 200,
}


def lines(text):
    """Lines that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def documentation(tree):
    """Line numbers of all docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, owners)]
    texts = [node.body[0] for node in nodes if ast.get_docstring(node)]
    return {n for text in texts for n in range(text.lineno, text.end_lineno + 1)}


def code(text, first, last, left_out):
    """Number of lines that hold code, docstrings left out: those may be long."""
    numbered = enumerate(text.splitlines()[first - 1 : last], first)
    return sum(bool(line.strip()) for n, line in numbered if n not in left_out)


def test_a_page_has_at_most_700_lines_of_text(page):
    cells = sum(cell.end - cell.line for cell in page.cells)
    length = page.text.count("\n") - cells
    assert length <= 700


def test_code_cells_are_short_and_no_wider_than_the_column(page):
    lengths = [len(lines(cell.body)) for cell in page.cells]
    for cell, length in zip(page.cells, lengths, strict=True):
        where = f"line {cell.line + 1}"
        assert length <= 40, where
        assert max(map(len, lines(cell.body))) <= 80, where
    assert sum(length > 25 for length in lengths) <= len(lengths) / 3


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    tree, formulas = ast.parse(text), path.parent == ROOT / "lib/learndyn/theory"
    left_out = documentation(tree)
    length = code(text, 1, None, left_out)
    assert length <= (150 if formulas else 250)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            length = code(text, node.body[0].lineno, node.end_lineno, left_out)
            assert length <= 30, node.name


def test_the_look_is_one_style_sheet():
    sheets = [path.name for path in (ROOT / "book/_static").glob("*.css")]
    assert sheets == ["book.css"]


@pytest.mark.parametrize(("name", "most"), ASSETS.items())
def test_scripts_and_styles_of_our_own_are_short(name, most):
    length = (ROOT / name).read_text(encoding="utf-8").count("\n")
    assert length <= most
