"""No dead control: each moves its figure, by keyboard, and reset undoes it."""

import re

import pytest

MARKUP = """async (figure) => {
    await figure.explorable.settled();
    return [...figure.querySelectorAll(".view, .badge")].map((e) => e.innerHTML).join();
}"""


@pytest.fixture
def figures(visit):
    """The explorables of a page."""
    found = visit.page.locator("figure.explorable")
    if not found.count():
        pytest.skip("no explorable on this page")
    return found.all()


def drawn(figure):
    """What the figure shows, without the numbers that Vega counts up."""
    return re.sub(r"(clip|gradient_)\d+", "", figure.evaluate(MARKUP))


def test_every_control_changes_its_figure_and_reset_restores_it(figures):
    for figure in figures:
        start = drawn(figure)
        for control in figure.locator("[data-control]").all():
            control.focus()
            seen = set()
            for key in ("Home", "End"):
                control.press(key)
                seen.add(drawn(figure))
            assert len(seen | {start}) > 1, control.get_attribute("name")
            figure.locator(".reset").click()
            assert drawn(figure) == start
