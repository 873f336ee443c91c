"""References lead somewhere: to pages, to labels, to entries of the bibliography."""

import ast
import re

import pytest
from source import EQUATION, ROOT, toc

ROLE = re.compile(r"\{([\w:]+)\}`(?:[^`<>]*<)?([^`<>]+)>?`")
LABELLED = {"ref", "eq", "numref", "prf:ref"}
THEORY = sorted((ROOT / "lib/learndyn/theory").glob("*.py"))


def targets(text, role):
    """What the references of one kind name; citations may name several."""
    return {name.strip() for kind, name in ROLE.findall(text) if kind in role}


def cited(text):
    """Keys of the entries that a text cites."""
    groups = [name for kind, name in ROLE.findall(text) if kind.startswith("cite")]
    return {key.strip() for group in groups for key in group.split(",")}


@pytest.fixture(scope="module")
def labels(book):
    """All labels of the book."""
    return {label for page in book for label in page.labels}


@pytest.fixture(scope="module")
def equations(book):
    """Labels of displayed equations: a theorem of that name will not do."""
    return {label for page in book for label in EQUATION.findall(page.text)}


@pytest.fixture(scope="module")
def entries():
    """Keys of the bibliography."""
    text = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@\w+\{([^,\s]+),", text, re.M)


def test_references_name_labels_of_the_book(page, labels, equations):
    assert targets(page.prose, LABELLED) - labels == set()
    assert targets(page.prose, {"eq"}) - equations == set()


def test_links_between_pages_name_pages(page):
    for target in targets(page.prose, {"doc"}):
        path = (page.path.parent / target).resolve().relative_to(ROOT)
        assert path.as_posix() in toc()


def test_no_chapter_links_to_solutions(chapter):
    assert not [t for t in targets(chapter.prose, {"doc"}) if "_solutions" in t]


def test_citations_name_entries_of_the_bibliography(page, entries):
    assert cited(page.prose) - set(entries) == set()


@pytest.mark.parametrize("path", THEORY, ids=lambda path: path.stem)
def test_docstrings_of_formulas_refer_to_what_there_is(
    path, labels, equations, entries
):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    texts = [ast.get_docstring(node) or "" for node in (tree, *documented)]
    assert targets("\n".join(texts), LABELLED) - labels == set()
    assert targets("\n".join(texts), {"eq"}) - equations == set()
    assert cited("\n".join(texts)) - set(entries) == set()


def test_an_entry_stands_in_the_bibliography_once(entries):
    assert entries
    assert len(set(entries)) == len(entries)
