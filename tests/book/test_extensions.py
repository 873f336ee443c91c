"""The small Sphinx extensions of the book, apart from Sphinx."""

from types import SimpleNamespace

import api_reference
import claim_lines
import claims_ledger
import formula
import page_frame
import pytest
import run_times
import site_assets
from docutils import nodes
from sphinx import addnodes

SOURCE = '''"""Module."""


@decorated
def shown(x):
    r"""Docstring.

    More of it.
    """

    # why
    return x


def bare(x): return x
'''


def test_formula_leaves_the_docstring_out_and_nothing_else():
    shown = formula.without_docstring(SOURCE, "shown")
    assert shown == "@decorated\ndef shown(x):\n    # why\n    return x"
    assert formula.without_docstring(SOURCE, "bare") == "def bare(x): return x"


def test_formula_names_a_function_it_does_not_find():
    with pytest.raises(ValueError, match="'hidden'"):
        formula.without_docstring(SOURCE, "hidden")


@pytest.mark.parametrize(
    ("page", "chapter"),
    [
        ("book/foundations/gradient_flow", "book/foundations/gradient_flow"),
        ("book/foundations/gradient_flow_solutions", "book/foundations/gradient_flow"),
        ("book/teach/course", None),
        ("book/claims", None),
        ("search", None),
    ],
)
def test_chapter_of_a_page(page, chapter):
    assert run_times.chapter_of(page) == chapter


def test_reading_order_is_depth_first():
    config = SimpleNamespace(root_doc="a")
    env = SimpleNamespace(config=config, toctree_includes={"a": ["b", "d"], "b": ["c"]})
    assert run_times.reading_order(env) == ["a", "b", "c", "d"]


def test_seconds_of_pages_that_ran_and_of_others():
    env = SimpleNamespace(nb_metadata={"a": {"exec_data": {"runtime": 2.5}}, "b": {}})
    assert run_times.seconds(env, "a") == 2.5
    assert run_times.seconds(env, "b") is None
    assert run_times.seconds(env, "c") is None
    assert "c" not in env.nb_metadata


def test_claims_are_read_from_outputs():
    claim = {"way": "equal", "theorem": "t"}
    outputs = [{"data": {claim_lines.MIME: claim}}, {"text": "printed"}]
    notebook = {"cells": [{"source": "text"}, {"outputs": outputs}]}
    assert claim_lines.claims_of(notebook) == [claim]


def test_copied_references_hold_on_the_other_page():
    text = nodes.paragraph("", "", ids=["here"])
    text += addnodes.pending_xref(
        reftype="doc", reftarget="../intro", refdoc="book/a/b"
    )
    text += addnodes.pending_xref(reftype="ref", reftarget="label", refdoc="book/a/b")
    moved = claims_ledger.moved(text, "book/a/b", "book/claims")
    assert moved["ids"] == []
    assert [node["reftarget"] for node in moved] == ["/book/intro", "label"]
    assert {node["refdoc"] for node in moved} == {"book/claims"}
    assert text[0]["reftarget"] == "../intro"


def test_a_line_of_a_claim_points_to_the_page_of_its_theorem():
    box = {"docname": "book/a/b", "countertype": "theorem", "realtype": "lemma"}
    numbers = {"book/a/b": {"theorem": {"b-law": (7,)}}}
    env = SimpleNamespace(proof_list={"b-law": box}, toc_fignumbers=numbers)
    builder = SimpleNamespace(get_relative_uri=lambda here, there: "b.html")
    app = SimpleNamespace(env=env, builder=builder)
    for page, uri in (("book/a/b", ""), ("book/a/b_solutions", "b.html")):
        context = {"body": '<a class="claim-theorem" href="#b-law">b-law</a>'}
        claim_lines.link_claims(app, page, "", context, None)
        link = f'<a class="claim-theorem" href="{uri}#b-law">Lemma 7</a>'
        assert context["body"] == link


def test_the_ledger_shows_a_control_whose_error_is_not_finite(monkeypatch):
    monkeypatch.setattr(claims_ledger, "link", lambda *_: nodes.Text("page"))
    fill = SimpleNamespace(app=None, theorem=lambda label: [nodes.Text(label)])
    numbers = {"predicted": "1", "measured": "nan", "error": None, "tolerance": 4.0}
    names = {
        "way": "differ",
        "theorem": "b-law",
        "because": "seeds",
        "page": "book/a/b",
    }
    row = claims_ledger.FillLedger.row(fill, numbers | names)
    shown = [cell.astext() for cell in row[1:6]]
    assert shown == ["differ", "1", "nan", "not finite", "4: seeds"]


def test_docstrings_become_myst():
    text = "One $x$.\n\nArgs:\n    x: a number\n        of any size.\n\n>>> f(1)\n1\n"
    assert api_reference.markdown(text) == (
        "One $x$.\n\n\n**Args**\n\n- `x`: a number\n  of any size.\n\n"
        "\n```pycon\n>>> f(1)\n1\n```"
    )


def test_citation_holds_no_address_that_is_not_set(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    titles = {"book/a/b": SimpleNamespace(astext=lambda: "Title")}
    config = SimpleNamespace(
        html_title="The Book",
        author="Its authors",
        root_doc="book/intro",
        book={"edition": "1", "site": ""},
    )
    app = SimpleNamespace(config=config, env=SimpleNamespace(titles=titles))
    entry = page_frame.bibtex(app, "book/a/b", page_frame.build_time().tm_year)
    assert entry.startswith("@incollection{the_book_b,")
    assert "year = {1970}" in entry
    assert "url" not in entry
    config.book["site"] = "https://example.org/"
    assert "url = {https://example.org/book/a/b.html}" in page_frame.bibtex(
        app, "book/a/b", 1970
    )


def test_mathjax_is_installed_and_small():
    files = site_assets.mathjax_files()
    assert {"startup.js", "core.js", "output/chtml/fonts/tex.js"} <= set(files)
    assert sum(file.stat().st_size for file in files.values()) < 2_500_000
