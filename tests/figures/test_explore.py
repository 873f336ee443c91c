import json
import re

import altair as alt
import numpy as np
import pytest
from matplotlib import pyplot

from learndyn.figures import explore, page

ETA = np.linspace(0.1, 1, 5)
LOSS = np.exp(-np.outer(ETA, np.arange(9)))


def table():
    return explore.Table(("eta",), {"t": np.arange(9)}, {"loss": LOSS})


def slider(**options):
    return explore.Slider("eta", ETA, "learning rate η", start=2, **options)


def panel(**options):
    return explore.Panel(explore.line("t", "loss", label="loss"), **options)


def figure(controls=None, panels=None, **options):
    options = {"tables": {"slice": table()}, "alt": "It falls.", **options}
    controls = [slider()] if controls is None else controls
    return explore.figure("demo", controls, panels or [panel()], **options)


def data(explorable):
    pattern = r'<script type="application/json">(.*?)</script>'
    return json.loads(re.search(pattern, explorable.html, re.DOTALL)[1])


@pytest.fixture(autouse=True)
def on_site(monkeypatch):
    monkeypatch.setenv(page.MODE, "site")


def test_the_example_of_the_docstring_runs():
    code = explore.__doc__.split("example:\n")[1].split("\n\nControls are")[0]
    lines = [line.removeprefix("    ") for line in code.strip("\n").split("\n")]
    lines[lines.index("explore.figure(")] = "shown = explore.figure("
    space = {}
    exec("\n".join(lines), space)
    assert "<figure" in space["shown"]._repr_html_()
    assert len(lines) <= 28


def test_figure_is_labelled_and_has_a_still():
    html = figure(caption="A caption.").html
    assert 'id="demo" role="group" aria-label="It falls."' in html
    assert "<figcaption" in html
    assert re.search(
        r'<img class="still" src="data:image/png[^"]*" alt="It falls\."', html
    )
    assert "At learning rate η = 0.55." in html
    (still,) = re.findall(r'src="(data:image/png[^"]*)"', html)
    assert len(still) < 60_000


def test_still_may_be_a_printed_figure():
    printed, ax = pyplot.subplots()
    ax.plot([0, 1])
    html = figure(panels=[panel(), panel()], still=printed).html
    assert html.count("data:image/png") == 1
    assert printed.number not in pyplot.get_fignums()


def test_controls_print_physical_values():
    html = figure([slider(unit="1/s")]).html
    assert 'type="range"' in html
    assert 'aria-valuetext="0.55 1/s"' in html
    menu = explore.Menu("kind", ["calm", "<wild>"], "kind", start=1)
    assert '<option value="1" selected>&lt;wild&gt;</option>' in menu.to_html()


def test_data_stand_in_the_page_once_for_all_panels():
    sent = data(figure(panels=[panel(), panel(aspect=1)]))
    assert list(sent["tables"]) == ["slice"]
    assert [p["tables"] for p in sent["panels"]] == [["slice"], ["slice"]]
    assert sent["controls"]["eta"]["values"] == pytest.approx(ETA)


def test_axis_is_fixed_for_every_layer():
    chart = explore.line("t", "loss") + explore.line("t", "loss", theory=True)
    spec = explore.Panel(chart, x=explore.Axis("time", (0, 8))).spec
    domains = [unit["encoding"]["x"]["scale"]["domain"] for unit in spec["layer"]]
    assert domains == [[0, 8], [0, 8]]


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("start is 5", lambda: explore.Slider("eta", ETA, "η", start=5)),
        ("identifier", lambda: explore.Slider("width", ETA, "width")),
        ("at least two", lambda: explore.Slider("eta", [1.0], "η")),
        ("5 positions of 'eta'", lambda: figure([explore.Slider("eta", [1, 2], "η")])),
        ("5 positions of 'eta'", lambda: figure([explore.Slider("b", ETA, "b")])),
        ("different names", lambda: figure([slider(), slider()])),
        ("draw from", lambda: figure(tables={})),
        ("draw from", lambda: figure(tables={"slice": table(), "unused": table()})),
        ("and alt", lambda: figure(alt=" ")),
        ("at most 400,000", lambda: figure(caption="x" * 400_000)),
        (
            "single or layered",
            lambda: explore.Panel(alt.hconcat(explore.line("t", "loss"))),
        ),
        (
            "of the badge",
            lambda: figure(badge=explore.Badge(("eta",), ["calm", "wild"])),
        ),
    ],
)
def test_bad_input_is_named(message, call):
    with pytest.raises(ValueError, match=message):
        call()
