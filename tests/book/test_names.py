"""One name: page, formulas, tests, solutions and labels share it."""

import re
from collections import Counter

import yaml
from source import ROOT, chapters, toc

NAMES = [path.stem for path in chapters()]


def test_the_table_of_contents_lists_every_page_once():
    pages = [
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in (ROOT / "book").rglob("*.md")
        if not re.search(r"/[._]", path.relative_to(ROOT).as_posix())
    ]
    assert sorted(toc()) == sorted(pages)


def test_a_chapter_name_is_unique_words_without_numbers():
    assert NAMES
    assert not [name for name in NAMES if not re.fullmatch("[a-z]+(_[a-z]+)*", name)]
    assert len(set(NAMES)) == len(NAMES)


def test_solutions_are_nested_beneath_their_chapter():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    nested = {
        entry["file"]: [section["file"] for section in entry.get("sections", [])]
        for part in contents["parts"]
        for entry in part["chapters"]
    }
    for path in chapters():
        file = path.relative_to(ROOT).with_suffix("").as_posix()
        assert nested[file] == [f"{file}_solutions"]


def test_every_chapter_has_a_formula_module_and_no_module_is_without_chapter():
    modules = {path.stem for path in (ROOT / "lib/learndyn/theory").glob("*.py")}
    assert modules - {"__init__"} == set(NAMES)


def test_every_chapter_has_tests_of_its_formulas_and_no_tests_are_without_chapter():
    tests = {path.stem for path in (ROOT / "tests/theory").glob("test_*.py")}
    assert tests == {f"test_{name}" for name in NAMES}


def test_labels_begin_with_the_name_of_the_chapter(chapter, solutions):
    name = chapter.path.stem
    labels = chapter.labels + solutions.labels
    assert labels
    assert not [label for label in labels if not label.startswith(f"{name}-")]


def test_labels_are_unique_in_the_book(book):
    count = Counter(label for page in book for label in page.labels)
    assert not {label for label, times in count.items() if times > 1}
