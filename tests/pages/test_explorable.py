"""Explorables in a browser: every control moves its figure, to the right values."""

import re

import altair as alt
import numpy as np
import pytest

from learndyn.figures import explore, page

RNG = np.random.default_rng(0)
ETA = np.geomspace(0.1, 1, 6)
KINDS = ["calm", "wild"]
TIMES = np.linspace(0, 2, 11)
WAVE = RNG.normal(size=(6, 2, 11))
DECAY = np.exp(-5 * ETA[:, None] * TIMES)
PAGE = """<!doctype html><html lang="en" {root}><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Explorables</title>
</head><body style="margin: 1rem"><h1>Explorables</h1>{body}</body></html>"""

# The rows behind the drawn curve whose points have the field "closed".
CLOSED_FORM = """() => {
  const marks = [...document.querySelectorAll("#first .mark-line path")];
  const rows = marks.map((path) => path.__data__.mark.items.map((i) => i.datum));
  return rows.find((found) => found.length && "closed" in found[0])
    .map(({ t, closed }) => ({ t, closed }));
}"""


def tables():
    gaps = np.where(DECAY < 0.05, np.nan, DECAY)
    return {
        "slice": explore.Table(("eta", "kind"), {"t": TIMES}, {"wave": WAVE}),
        "fit": explore.Table(
            ("eta",), {"t": TIMES}, {"decay": DECAY, "gaps": gaps}, log=("decay",)
        ),
        "starts": explore.Table((), {"eta_index": np.arange(6)}, {"eta_at": ETA}),
    }


def figure(name):
    closed = alt.Chart(alt.sequence(0, 2, 0.1, as_="t")).transform_calculate(
        closed="exp(-5 * eta * datum.t)"
    )
    pickable = explore.handles("eta_index", "eta_at", "eta", source="starts")
    return explore.figure(
        name,
        [
            explore.Slider("eta", ETA, "learning rate η", start=1),
            explore.Menu("kind", KINDS, "kind"),
        ],
        [
            explore.Panel(explore.line("t", "wave"), y=explore.Axis("wave", (-3, 3))),
            explore.Panel(
                explore.line("t", "decay", source="fit")
                + explore.line("t", "gaps", source="fit")
                + closed.mark_line().encode(x="t:Q", y="closed:Q")
                + explore.rule(y="eta / 2"),
                y=explore.Axis("decay", (0, 1)),
            ),
            explore.Panel(pickable, aspect=0.5),
        ],
        tables=tables(),
        badge=explore.Badge(("kind",), KINDS),
        alt="Curves that the controls move.",
        caption="A caption.",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page as the site has it, below its root, and one as notebooks have it."""
    root = tmp_path_factory.mktemp("site")
    (root / "_static").mkdir()
    (root / "part").mkdir()
    explore.write_scripts(root / "_static")
    with pytest.MonkeyPatch.context() as patch:
        for mode, content_root in (("site", 'data-content_root="../"'), ("inline", "")):
            patch.setenv(page.MODE, mode)
            patch.setattr(page, "_carrier", [])
            far = '<p style="height: 200vh">far</p>'
            body = figure("first")._repr_html_() + far + figure("second")._repr_html_()
            html = PAGE.format(root=content_root, body=body)
            (root / "part" / f"{mode}.html").write_text(html, "utf-8")
    return root / "part"


@pytest.fixture(scope="module")
def browser(chromium):
    return chromium


@pytest.fixture
def tab(browser):
    """A tab in which any error, and any request to a host, fails the test."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    tab = context.new_page()
    tab.troubles = []
    tab.requested = []
    tab.on("console", lambda m: m.type == "error" and tab.troubles.append(m.text))
    tab.on("pageerror", lambda error: tab.troubles.append(str(error)))
    tab.on("request", lambda request: tab.requested.append(request.url))
    yield tab
    assert tab.troubles == []
    assert [url for url in tab.requested if not re.match("file:|data:", url)] == []
    context.close()


def opened(tab, folder, mode="site", name="first"):
    tab.goto(f"{folder.as_uri()}/{mode}.html")
    tab.locator(f"#{name}").scroll_into_view_if_needed()
    tab.wait_for_selector(f"#{name}[data-ready]")
    return tab.locator(f"#{name}")


def shown(tab, view, data):
    """Return what a view holds, once the figure has settled."""
    return tab.evaluate(
        """async ([view, data]) => {
          const { explorable } = document.querySelector("#first");
          await explorable.settled();
          return explorable.views[view].data(data);
        }""",
        [view, data],
    )


@pytest.mark.parametrize("mode", ["site", "inline"])
def test_every_control_moves_its_figure_to_the_values_of_python(tab, folder, mode):
    first = opened(tab, folder, mode)
    stored = tables()
    for eta, kind in [(1, 0), (0, 0), (5, 1), (3, 1), (2, 0)]:
        first.locator("input").fill(str(eta))
        first.locator("select").select_option(str(kind))
        wave = [row["wave"] for row in shown(tab, 0, "slice")]
        assert wave == pytest.approx(
            WAVE[eta, kind], abs=0.501 * stored["slice"].step["wave"]
        )
        fit = shown(tab, 1, "fit")
        step = stored["fit"].step["decay"]
        assert np.allclose([r["decay"] for r in fit], DECAY[eta], rtol=0.51 * step)
        gaps = np.array([row["gaps"] for row in fit], dtype=float)
        expected = [row["gaps"] for row in stored["fit"].rows({"eta": eta})]
        np.testing.assert_allclose(gaps, np.array(expected, dtype=float), rtol=1e-12)
        rows = tab.evaluate(CLOSED_FORM)
        assert len(rows) == 20
        closed = [np.exp(-5 * ETA[eta] * row["t"]) for row in rows]
        assert [row["closed"] for row in rows] == pytest.approx(closed)
        assert first.locator(".badge").inner_text() == KINDS[kind]
        assert first.locator(".value").inner_text() == f"{ETA[eta]:.3g}"


def test_a_pixel_moves_and_reset_returns_to_the_printed_values(tab, folder):
    first = opened(tab, folder)
    path = first.locator(".panel").first.locator(".mark-line path")
    printed = path.get_attribute("d")
    first.locator("input").focus()
    tab.keyboard.press("ArrowRight")
    shown(tab, 0, "slice")
    moved = path.get_attribute("d")
    first.locator(".reset").click()
    shown(tab, 0, "slice")
    assert moved != printed == path.get_attribute("d")
    assert first.locator("input").input_value() == "1"


def test_pointing_at_a_start_moves_the_slider(tab, folder):
    first = opened(tab, folder)
    marks = first.locator(".panel").nth(2).locator(".mark-symbol path")
    last = [mark for mark in marks.all() if mark.get_attribute("fill") != "none"][5]
    last.hover(force=True)
    tab.wait_for_function("first.explorable.state.eta === 5")
    assert first.locator("input").input_value() == "5"
    assert [row["wave"] for row in shown(tab, 0, "slice")] == pytest.approx(
        WAVE[5, 0], abs=1e-3
    )


def test_vega_is_fetched_when_a_figure_is_approached(tab, folder):
    html = (folder / "site.html").read_text("utf-8")
    below = html.replace("<h1>", '<p style="height: 300vh">far</p><h1>')
    (folder / "below.html").write_text(below, "utf-8")
    tab.goto(f"{folder.as_uri()}/below.html")
    tab.wait_for_function("'learndynExplore' in window")
    tab.wait_for_timeout(200)
    assert not any(url.endswith("vega.js") for url in tab.requested)
    assert tab.locator("#first img.still").first.is_visible()
    tab.locator("#first").scroll_into_view_if_needed()
    tab.wait_for_selector("#first[data-ready]")
    assert sum(url.endswith("vega.js") for url in tab.requested) == 1
    assert not tab.locator("#first img.still").first.is_visible()


def test_panels_keep_their_width_on_a_phone_and_when_it_turns(tab, folder):
    first = opened(tab, folder)
    for width in (360, 800, 360):
        tab.set_viewport_size({"width": width, "height": 700})
        tab.wait_for_timeout(150)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        for view in first.locator(".view").all():
            svg = view.locator("svg").bounding_box()
            box = view.bounding_box()
            assert svg["width"] == pytest.approx(box["width"], abs=2)


def test_print_shows_the_still(tab, folder):
    first = opened(tab, folder)
    tab.emulate_media(media="print")
    assert first.locator("img.still").first.is_visible()
    assert not first.locator(".controls").is_visible()
    assert "At learning rate η = 0.158, kind = calm." in first.inner_text()


def test_a_move_takes_less_than_five_milliseconds(tab, folder):
    opened(tab, folder)
    milliseconds = tab.evaluate(
        """async () => {
          const { views, rows } = document.querySelector("#first").explorable;
          const times = [];
          for (let i = 0; i < 30; i++) {
            const begun = performance.now();
            views[0].data("slice", rows("slice"));
            await views[0].runAsync();
            times.push(performance.now() - begun);
          }
          return times.sort((a, b) => a - b)[15];
        }"""
    )
    assert milliseconds < 5


def test_without_a_script_the_still_stands(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{folder.as_uri()}/site.html")
    assert tab.locator("#first img.still").first.is_visible()
    assert not tab.locator("#first .controls").is_visible()
    assert "At learning rate" in tab.locator("#first").inner_text()
    context.close()
