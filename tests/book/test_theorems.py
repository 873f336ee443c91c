"""Every theorem states its hypotheses and its evidence, and is checked on its page."""

import ast
import re

import pytest
from source import calls

BOXES = {"prf:theorem", "prf:proposition", "prf:lemma", "prf:corollary"}
WAYS = {"equal", "order", "mean", "bound", "limit", "differ"}
EVIDENCE = {"proved", "derived", "reported"}


def boxes(page):
    """Theorem boxes of a page."""
    return [each for each in page.directives if each.name in BOXES]


def cells(directives):
    """Code cells among directives."""
    return [each for each in directives if each.name == "code-cell"]


def claims(cells):
    """Calls of `claims.…` in code cells."""
    found = [call for cell in cells for call in calls(cell.tree, "claims")]
    return [call for call in found if call.func.attr in WAYS]


def written(call, keyword):
    """What a call gives for a keyword: a value if written out, else its code."""
    for each in call.keywords:
        if each.arg == keyword:
            constant = isinstance(each.value, ast.Constant)
            return each.value.value if constant else ast.unparse(each.value)
    return "**" if any(each.arg is None for each in call.keywords) else None


def positive(cells):
    """Labels of the theorems that are claimed, those written out in the call."""
    made = [call for call in claims(cells) if call.func.attr != "differ"]
    return {written(call, "theorem") for call in made}


def fixed(argument):
    """Whether an argument is a number, or a list of numbers, typed in."""
    return not any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(argument))


def test_every_theorem_has_label_hypotheses_and_evidence(page):
    for box in boxes(page):
        assert box.label, box.argument
        found = re.search(r"^\**Hypotheses:(.+?)(?:\n\s*\n|\Z)", box.body, re.M | re.S)
        assert found, box.label
        assert found[1].rstrip().endswith("."), box.label
        assert len(EVIDENCE & set(box.options.get("class", "").split())) == 1, box.label


def test_a_chapter_has_theorems_and_claims_each_of_them(chapter):
    labels = {box.label for box in boxes(chapter)}
    assert len(labels) >= 2
    assert labels - positive(chapter.cells) == set()


def test_every_claim_names_a_theorem_of_the_book(page, book):
    labels = {box.label for each in book for box in boxes(each)}
    named = {written(call, "theorem") for call in claims(page.cells)}
    assert {name for name in named if name is None or "-" in name} - labels == set()


def test_every_tolerance_says_where_it_comes_from(page):
    made = [c for c in claims(page.cells) if c.func.attr in ("equal", "order", "limit")]
    assert [ast.unparse(call) for call in made if not written(call, "because")] == []


def test_no_claim_compares_typed_in_numbers_only(page):
    for call in claims(page.cells):
        compared = call.args[1:] if call.func.attr == "differ" else call.args
        assert not all(map(fixed, compared)), ast.unparse(call)


def test_beyond_the_model_something_is_claimed(chapter):
    assert positive(cells(chapter.section("Beyond the model")))


def test_where_it_breaks_a_claim_fails(chapter):
    made = claims(cells(chapter.section("Where it breaks")))
    failing = {written(call, "theorem") for call in made if call.func.attr == "differ"}
    labels = {box.label for box in boxes(chapter)}
    assert labels & failing & positive(chapter.cells)


@pytest.mark.parametrize(
    ("code", "typed"), [("[1, -2.0]", True), ("x[0]", False), ("f(2)", False)]
)
def test_typed_in_numbers_are_told_from_results(code, typed):
    assert fixed(ast.parse(code, mode="eval")) is typed
