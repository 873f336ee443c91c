"""Formulas that a figure computes in the browser are those of the library."""

import json

import numpy as np
from web import SITE, parse

from learndyn import claims
from learndyn.theory import gradient_flow


def expressions(name, figure, word):
    """Vega expressions of one explorable that hold `word`, without repetition."""
    markup = parse(SITE / f"book/{name}.html")
    text = markup.select_one(f"#{figure} script[type='application/json']").string

    def strings(node):
        if isinstance(node, dict | list):
            for each in node.values() if isinstance(node, dict) else node:
                yield from strings(each)
        elif isinstance(node, str) and word in node:
            yield node

    return set(strings(json.loads(text)["panels"]))


def test_the_edge_of_stability_is_the_library_s(site):
    found = expressions("foundations/gradient_flow", "gradient_flow-explore", "/ eta")
    rules = [each for each in found if "sqrt" not in each]
    assert rules, found
    draw = np.random.default_rng(0)
    betas = [0.0, 0.5, 0.8, 0.0]
    for learner, eta in zip(
        draw.integers(0, 4, 20), draw.uniform(0.04, 1.1, 20), strict=True
    ):
        # These expressions are arithmetic that JavaScript and Python share.
        known = {"eta": eta, "learner_index": int(learner)}
        shown = [eval(each, {"__builtins__": {}}, known) for each in rules]
        edge = gradient_flow.curvature_thresholds(eta, betas[learner])[1]
        claims.equal(edge, shown, rtol=1e-14, because="rounding", theorem="edge")


def test_the_first_order_line_adds_the_drift_to_the_charge(site):
    (found,) = expressions(
        "conservation/conservation_laws", "conservation_laws-explore", "datum.rate"
    )
    assert found == "datum.q0 + eta * datum.rate"
