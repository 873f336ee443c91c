"""The directive `claims-ledger`: every claim of the book in one place.

Claims are outputs of executed pages. Each names the label of the theorem it tests;
the hypotheses and the evidence are copied from that theorem's box.
"""

import posixpath
from collections import Counter
from typing import Any

from claim_lines import collect, theorem_name
from docutils import nodes
from run_times import link, table
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

EVIDENCE = ("proved", "derived", "reported")
HEADER = ["Claim", "Way", "Predicted", "Measured", "Error", "Tolerance", "Page"]


class claims_ledger(nodes.General, nodes.Element):
    """Stands where the tables will be, until every page has run."""


def moved(node: nodes.Node, source: str, target: str) -> nodes.Node:
    """A copy of `node` from page `source` whose references hold on page `target`."""
    copy = node.deepcopy()
    for reference in copy.findall(addnodes.pending_xref):
        if reference.get("reftype") == "doc":
            folder = posixpath.dirname(reference.get("refdoc", source))
            path = posixpath.join("/" + folder, reference["reftarget"])
            reference["reftarget"] = posixpath.normpath(path)
        reference["refdoc"] = target
    for element in copy.findall(nodes.Element):
        element["ids"] = []
    return copy


class FillLedger(SphinxPostTransform):
    """Write the ledger, now that every page has run."""

    default_priority = 4

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder."""
        for node in list(self.document.findall(claims_ledger)):
            node.replace_self(self.build())
            # Formulas came with the hypotheses, so this page needs MathJax.
            self.env.get_domain("math").data["has_equations"][self.env.docname] = True

    def theorem(self, label: str) -> list[nodes.Node]:
        """Title with link, evidence and hypotheses of the box with this label."""
        box = getattr(self.env, "proof_list", {}).get(label)
        if box is None:
            return [nodes.paragraph("", "", nodes.literal(text=label))]
        page = box["docname"]
        for node in self.env.get_doctree(page).findall(nodes.Element):
            if label in node["ids"] and "title" in node:
                break
        title = link(self.app, page, "-", anchor=label)
        title.children = [moved(child, page, self.env.docname) for child in node[0]]
        number = f"{theorem_name(self.env, label)} "
        evidence = [kind for kind in EVIDENCE if kind in node["classes"]]
        words = " ".join(evidence or ["no evidence stated"]).capitalize()
        note = nodes.paragraph("", f"{words}. ", classes=["hypotheses"])
        for paragraph in node.findall(nodes.paragraph):
            if paragraph.astext().startswith("Hypotheses:"):
                note += moved(paragraph, page, self.env.docname).children
                break
        return [nodes.paragraph("", number, title), note]

    def row(self, claim: dict[str, Any]) -> list[nodes.Node]:
        """One line of the table."""
        way = claim["way"] + (", two routes" if claim.get("two_routes") else "")
        because = f"{claim['tolerance']:.2g}: {claim['because']}"
        if claim.get("loose"):
            because += " (loose: more than 30 times the error)"
        infinite = claim["error"] is None  # of a negative control; see learndyn.claims
        error = "not finite" if infinite else f"{claim['error']:.2g}"
        texts = [way, claim["predicted"], claim["measured"], error, because]
        name = nodes.container("", *self.theorem(claim["theorem"]))
        page = nodes.paragraph("", "", link(self.app, claim["page"]))
        return [name, *(nodes.paragraph(text=str(text)) for text in texts), page]

    def build(self) -> list[nodes.Node]:
        """The counts and the two tables, tightest claim first."""
        claims = collect(self.env)
        if not claims:
            text = "No page that makes a claim has been run yet."
            return [nodes.paragraph(text=text)]
        claims.sort(key=lambda claim: -(claim.get("ratio") or 0.0))
        controls = [claim for claim in claims if claim["way"] == "differ"]
        held = [claim for claim in claims if claim["way"] != "differ"]
        ways = Counter(claim["way"] for claim in held)
        counts = ", ".join(f"{number} {way}" for way, number in ways.most_common())
        routes = [claim for claim in held if claim.get("two_routes")]
        tested = {claim["theorem"] for claim in held if not claim.get("two_routes")}
        text = (
            f"Claims that hold: {len(held)} ({counts}). Theorems they test: "
            f"{len(tested)}. Comparisons of two formulas, which test none: "
            f"{len(routes)}. Loose tolerances: "
            f"{sum(bool(claim.get('loose')) for claim in held)}. "
            f"Negative controls: {len(controls)}."
        )
        built: list[nodes.Node] = [nodes.paragraph(text=text)]
        for title, part in (("Claims", held), ("Negative controls", controls)):
            built.append(nodes.rubric(text=title))
            built.append(table(HEADER, [self.row(claim) for claim in part], "ledger"))
        return built


class ClaimsLedger(SphinxDirective):
    """`claims-ledger`: the tables of all claims."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder."""
        self.env.metadata[self.env.docname]["after_execution"] = True
        return [claims_ledger()]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.setup_extension("claim_lines")
    app.add_node(claims_ledger)
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_post_transform(FillLedger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
