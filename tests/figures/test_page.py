import sys

import numpy as np
import pytest

from learndyn.figures import explore, page

BUNDLE = "window.vegaEmbed ||"
FIGURE = explore.figure(
    "demo",
    [explore.Slider("eta", [0.1, 0.2], "learning rate η")],
    [explore.Panel(explore.line("t", "loss"))],
    tables={"slice": explore.Table(("eta",), {"t": [0, 1, 2]}, {"loss": np.eye(2, 3)})},
    alt="It falls.",
)


@pytest.fixture(autouse=True)
def on_site(monkeypatch):
    monkeypatch.setenv(page.MODE, "site")


def test_site_refers_to_its_scripts_and_notebooks_carry_them(monkeypatch):
    shown = FIGURE
    site = shown._repr_html_()
    assert "_static/explorable.js" in site
    assert len(site) < len(shown.html) + 500
    monkeypatch.setenv(page.MODE, "inline")
    monkeypatch.setattr(page, "_carrier", [])
    other = explore.Explorable("other", shown.html, shown.alt)
    assert BUNDLE in shown._repr_html_()
    assert len(other._repr_html_()) < len(shown.html) + 10_000
    assert BUNDLE in shown._repr_html_()  # run again: it still carries them
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert BUNDLE in other._repr_html_()
    monkeypatch.setenv(page.MODE, "sight")
    with pytest.raises(ValueError, match="LEARNDYN_EXPLORABLES is 'sight'"):
        shown._repr_html_()


def test_scripts_are_written_and_ask_no_other_host(tmp_path):
    explore.write_scripts(tmp_path)
    vega = (tmp_path / "vega.js").read_text("utf-8")
    script = (tmp_path / "explorable.js").read_text("utf-8")
    assert vega.startswith("(() => {")
    assert "</script" not in (vega + script).lower()
    assert "http" not in script
    assert "http" not in FIGURE.html.replace("data:image", "")
    assert len(script.splitlines()) <= 150
