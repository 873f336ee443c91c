"""The cover's phase portrait in a browser: right dynamics, and it can be stopped."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

SCRIPT = Path(__file__).parents[2] / "book" / "_static" / "cover.js"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>Cover</title></head><body><div><canvas class="portrait" role="img"
style="width: 100%; height: 15rem; accent-color: #0072b2" aria-label="Portrait.">
</canvas><button type="button" hidden>Pause</button></div>
<script src="{script}"></script></body></html>"""


@pytest.fixture
def opened(chromium, tmp_path):
    def opened(motion):
        context = chromium.new_context(reduced_motion=motion)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: pytest.fail(str(error)))
        (tmp_path / "cover.html").write_text(PAGE.format(script=SCRIPT.as_uri()))
        tab.goto((tmp_path / "cover.html").as_uri())
        tab.wait_for_timeout(300)
        return tab

    contexts = []
    yield opened
    for context in contexts:
        context.close()


def moves(tab):
    seen = []
    for _ in range(2):
        seen.append(tab.evaluate("document.querySelector('canvas').toDataURL()"))
        tab.wait_for_timeout(150)
    return seen[0] != seen[1]


def flow(_, w):
    return (1 - w[0] * w[1]) * w[::-1]


@pytest.mark.parametrize("start", [(0.2, 0.5), (1.5, -0.4), (-1.0, 1.2), (-2.0, -0.1)])
def test_particles_follow_the_gradient_flow_and_keep_their_charge(opened, start):
    end = opened("no-preference").evaluate(
        """(w) => {
          for (let i = 0; i < 125; i++) w = learndynCover.step(w, 0.008);
          return w;
        }""",
        list(start),
    )
    exact = solve_ivp(flow, (0, 1), start, rtol=1e-10, atol=1e-12).y[:, -1]
    assert end == pytest.approx(exact, abs=1e-4)  # Heun: of order dt², 6e-5
    charge = np.diff(np.square(start))[0]
    assert np.diff(np.square(end))[0] == pytest.approx(charge, abs=5e-4)


def test_it_moves_until_it_is_paused(opened):
    tab = opened("no-preference")
    button = tab.locator("button")
    assert button.inner_text() == "Pause"
    assert moves(tab)
    button.click()
    assert button.inner_text() == "Play"
    assert not moves(tab)
    button.click()
    assert moves(tab)


def test_it_stands_still_for_those_who_ask_for_less_motion(opened):
    tab = opened("reduce")
    assert tab.locator("button").inner_text() == "Play"
    assert not moves(tab)
    blank = "new Set(document.querySelector('canvas').getContext('2d')"
    blank += ".getImageData(0, 0, 600, 200).data).size < 5"
    assert not tab.evaluate(blank)
