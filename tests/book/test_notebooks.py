"""Notebooks for plain JupyterLab: nothing of MyST is left in their text."""

import nbformat
import notebooks
import pytest
from pybtex.database import parse_string
from source import ROOT, Page, toc

BIB = """@inproceedings{one2021law, author={Ada One and Bob Two and Cy Three},
title={A {Law}}, booktitle={Venue}, year={2021}, eprint={2101.00001}}"""

TEXT = r"""# Title

(page-section)=
## A section

````{prf:theorem} The law
:label: page-law
:class: proved

Hypotheses: $x>0$, {cite}`one2021law`.

$$ a = b $$ (page-equation)
````

```{exercise} Do it
:label: page-exercise-do
●○○ · 10 min · derive

Show {eq}`page-equation` of {prf:ref}`page-law`: {glue:text}`page-value`.
```

```{admonition} Predict first
:class: dropdown
What *now*?
```

```{formula} gradient_flow
:pyobject: descent_rate
```
"""


@pytest.fixture
def shown(tmp_path):
    path = ROOT / "book" / "part" / "page.md"
    page = Page.__new__(Page)
    page.path, page.text = path, TEXT
    index = notebooks.Index.__new__(notebooks.Index)
    index.page_of = dict.fromkeys(("page-equation", "page-law"), page)
    index.text_of = {"page-equation": "(1)", "page-law": "The law"}
    index.bibliography = parse_string(BIB, "bibtex")
    converter = notebooks.Converter(page, index, {"page-value": "0.25"})
    return converter.convert(TEXT) + "\n" + converter.references()


def test_boxes_become_block_quotes(shown):
    assert "> **Theorem (The law).** *proved*" in shown
    assert "> Hypotheses: $x>0$, One et al. (2021)." in shown
    assert "> **Exercise (Do it).**" in shown


def test_references_numbers_and_glued_values_are_filled_in(shown):
    assert r"a = b \tag{1}$$" in shown
    assert "Show (1) of The law: 0.25." in shown
    assert "- One et al. (2021). *A Law*. Venue, arXiv:2101.00001." in shown


def test_what_was_folded_can_be_unfolded(shown):
    assert "<details><summary>Predict first</summary>" in shown
    assert "What *now*?" in shown


def test_the_code_of_a_formula_is_shown_without_its_docstring(shown):
    assert "# learndyn.theory.gradient_flow\ndef descent_rate(" in shown
    assert "Source:" not in shown


def test_no_myst_is_left(shown):
    for trace in ("{cite", "{eq}", "```{", ":label:", "(page-section)="):
        assert trace not in shown


def test_glued_values_vanish_from_the_outputs_and_explorables_stand_still():
    glue = nbformat.v4.new_output(
        "display_data",
        data={"application/papermill.record/text/plain": "'0.25'"},
        metadata={"scrapbook": {"name": "page-value"}},
    )
    cell = nbformat.v4.new_code_cell("", outputs=[glue])
    found = notebooks.glued(nbformat.v4.new_notebook(cells=[cell]))
    assert found == {"page-value": "0.25"}
    assert notebooks.readable(glue) is None
    html = '<figure class="explorable"><img src="data:image/png;base64,AAAA"></figure>'
    moving = nbformat.v4.new_output("display_data", data={"text/html": html})
    assert notebooks.readable(moving).data["image/png"] == "AAAA"
    with pytest.raises(ValueError, match="no still"):
        notebooks.readable(
            nbformat.v4.new_output(
                "display_data", data={"text/html": '<figure class="explorable">'}
            )
        )


def test_links_lead_from_notebook_to_notebook():
    index = notebooks.Index()
    chapter = index.page_of["foundations/linear_networks"]
    converter = notebooks.Converter(chapter, index, {})
    title = index.text_of["foundations/gradient_flow"]
    assert converter.convert("{doc}`gradient_flow`") == (
        f"[{title}](../foundations/gradient_flow.ipynb)"
    )
    assert converter.convert("{doc}`here <gradient_flow>`").startswith("[here](")


def test_every_page_of_the_book_is_indexed():
    index = notebooks.Index()
    assert len(index.pages) == len(toc())
