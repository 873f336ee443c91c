"""Labs: controls that run the true simulation again, at any value.

    from learndyn.figures import lab

    def run(eta, width):
        ...                       # simulate; return a matplotlib figure
        return figure

    lab.show(run, eta=lab.Range(0.01, 1, 0.1, "learning rate η", log=True),
             width=lab.Choice([8, 32, 128], 32, "width h"))

With a live kernel this shows the controls, a button, and how long the run has
been going. A page that was executed beforehand (the site, and the notebooks made
with it) shows the default run as an ordinary figure, and no control.
"""

import html
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from matplotlib import pyplot
from matplotlib.figure import Figure

from learndyn.figures.page import MODE

SLOW = 2.0
"""Seconds: a shorter run starts when a control is let go, a longer one shows
how far it has come."""


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`; `start` is its default; `log` spaces it so."""

    low: float
    high: float
    start: float
    label: str
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.start <= self.high or self.low == self.high:
            raise ValueError(
                f"start of {self.label!r} is {self.start}; must be between low = "
                f"{self.low} and high = {self.high}, and low < high"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"low of {self.label!r} is {self.low}; log needs low > 0")

    def widget(self) -> widgets.Widget:
        """Return a slider: of integers if all three numbers are, else of floats."""
        common: dict[str, Any] = {"continuous_update": False, **_layout(self.label)}
        if self.log:
            low, high = np.log10([self.low, self.high])
            return widgets.FloatLogSlider(
                self.start, min=low, max=high, step=(high - low) / 200, **common
            )
        if all(isinstance(v, int) for v in (self.low, self.high, self.start)):
            return widgets.IntSlider(self.start, self.low, self.high, **common)
        step = (self.high - self.low) / 200
        return widgets.FloatSlider(
            self.start, min=self.low, max=self.high, step=step, **common
        )


@dataclass(frozen=True)
class Choice:
    """One of `options`; `start` is the default."""

    options: Sequence[Any]
    start: Any
    label: str

    def __post_init__(self) -> None:
        if self.start not in self.options:
            raise ValueError(
                f"start of {self.label!r} is {self.start!r}; must be one of "
                f"{list(self.options)}"
            )

    def widget(self) -> widgets.Widget:
        """Return a menu."""
        return widgets.Dropdown(
            options=list(self.options), value=self.start, **_layout(self.label)
        )


def _layout(label: str) -> dict[str, Any]:
    return {
        "description": label,
        "style": {"description_width": "initial"},
        "layout": widgets.Layout(width="22em"),
    }


def show(run: Callable[..., Any], **controls: Range | Choice) -> Any:
    """Show `run(**values)`, to be run again at other values.

    `run` takes one keyword for each control and returns a matplotlib figure, or
    anything else that a notebook can show. What it raises is shown in the lab.
    """
    if not controls:
        raise ValueError("controls: a lab needs at least one Range or Choice")
    if os.environ.get(MODE):
        return _closed(run(**{name: c.start for name, c in controls.items()}))
    shown = Lab(run, controls)
    display(shown.box)
    shown.start()
    return None


def _closed(result: Any) -> Any:
    """Return `result`; a matplotlib figure would be shown twice if left open."""
    if isinstance(result, Figure):
        pyplot.close(result)
    return result


class Lab:
    """The widgets of a lab with a live kernel; `box` holds them all."""

    def __init__(
        self, run: Callable[..., Any], controls: dict[str, Range | Choice]
    ) -> None:
        self.run = run
        self.inputs = {name: control.widget() for name, control in controls.items()}
        self.button = widgets.Button(description="Run", button_style="primary")
        self.bar = widgets.FloatProgress(0, min=0, max=1)
        self.bar.layout.visibility = "hidden"
        self.status = widgets.HTML()
        self.output = widgets.Output()
        self.seconds: float | None = None
        """How long the last run took."""
        self.button.on_click(lambda _: self.start())
        for box in self.inputs.values():
            box.observe(self._moved, names="value")
        row = widgets.Layout(flex_flow="row wrap", align_items="center")
        self.box = widgets.VBox(
            [
                widgets.Box(list(self.inputs.values()), layout=row),
                widgets.Box([self.button, self.bar, self.status], layout=row),
                self.output,
            ]
        )

    def _moved(self, _: Any) -> None:
        if self.seconds is not None and self.seconds < SLOW:
            self.start()
        else:
            self.status.value = "changed: press Run"

    def start(self) -> None:
        """Run the simulation at the values of the controls and show its result."""
        begun, done = time.monotonic(), threading.Event()
        self.button.disabled = True
        self.status.value = "running…"
        clock = threading.Thread(target=self._clock, args=(begun, done), daemon=True)
        clock.start()
        values = {name: box.value for name, box in self.inputs.items()}
        error = None
        try:
            result = _closed(self.run(**values))
        except Exception as raised:
            error = raised
        done.set()
        clock.join()
        self.seconds = time.monotonic() - begun
        self.bar.layout.visibility = "hidden"
        self.button.disabled = False
        if error is not None:
            text = html.escape(f"{type(error).__name__}: {error}")
            self.status.value = f'<span role="alert">not run — {text}</span>'
            return
        self.status.value = f"done in {self.seconds:.1f} s"
        self.output.clear_output(wait=True)
        with self.output:
            display(result)

    def _clock(self, begun: float, done: threading.Event) -> None:
        """Say how long the run has been going, and of how many seconds last time."""
        expected = self.seconds
        while not done.wait(0.5):
            passed = time.monotonic() - begun
            if passed < SLOW:
                continue
            self.bar.layout.visibility = "visible"
            self.bar.value = min(passed / expected, 1) if expected else passed % 4 / 4
            last = f" (last time {expected:.0f} s)" if expected else ""
            self.status.value = f"running… {passed:.0f} s{last}"
