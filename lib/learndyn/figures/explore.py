"""Explorables: figures that the reader moves, on a page without a kernel.

A sweep is computed once, by the page; the figure carries it (two bytes a value)
and its sliders choose the slice that the charts show. A complete example:

    import numpy as np
    from learndyn.figures import explore

    eta = np.geomspace(0.05, 2.5, 40)
    steps = np.arange(31)
    loss = 0.5 * (1 - eta[:, None]) ** (2 * steps)
    table = explore.Table(
        by=("eta",), axes={"step": steps},
        values={"loss": loss, "flow": 0.5 * np.exp(-2 * eta[:, None] * steps)},
        log=("loss", "flow"), within={"loss": (1e-4, 1), "flow": (1e-4, 1)},
    )
    explore.figure(
        "descent-explore",
        [explore.Slider("eta", eta, "learning rate η", start=20)],
        [explore.Panel(
            explore.line("step", "loss", label="gradient descent")
            + explore.line("step", "flow", theory=True, label="gradient flow"),
            x=explore.Axis("step", (0, 30)),
            y=explore.Axis("loss", (1e-4, 1), log=True),
        )],
        tables={"slice": table},
        badge=explore.Badge(("eta",), np.where(eta < 2, "stable", "unstable")),
        alt="Loss against step falls for a learning rate below two, else grows.",
        caption="Descent on ½θ². Move η through 1 and through 2.",
    )

Controls are known to charts by name: in a Vega expression (`rule(y="2 / eta")`,
`transform_calculate`) ``eta`` is the value and ``eta_index`` its index. A chart is
any single or layered Altair chart whose data are ``alt.NamedData(<table>)``; fields
of the rows are the table's axes and values. Whatever hovering does (`handles`,
`pick`), a slider does too. What must not jump gets an `Axis` with a fixed domain.

Nothing is asked of another host: on the site, ``LEARNDYN_EXPLORABLES=site`` makes
figures refer to the scripts that `write_scripts` puts in ``_static``; otherwise the
figure that comes first in a kernel carries them (in Colab, every figure).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import ArrayLike

from learndyn.figures import page
from learndyn.figures.axes import CONFIG, Axis, domain
from learndyn.figures.controls import Control, Menu, Slider
from learndyn.figures.marks import (
    band,
    handles,
    line,
    pick,
    points,
    rule,
    units,
)
from learndyn.figures.page import write_scripts
from learndyn.figures.style import COLORS
from learndyn.figures.tables import Table

__all__ = [
    "Axis",
    "Badge",
    "Explorable",
    "Menu",
    "Panel",
    "Slider",
    "Table",
    "band",
    "domain",
    "figure",
    "handles",
    "line",
    "pick",
    "points",
    "rule",
    "write_scripts",
]

LIMIT = 400_000
"""Bytes that a figure may add to a page."""


class Badge:
    """A line under the controls that says what the theory decides there.

    `labels` is an array of strings with one axis for each control in `by`. The dot
    takes `colors[label]`, or the book's colours in the order of appearance.
    """

    def __init__(
        self,
        by: Sequence[str],
        labels: ArrayLike,
        colors: Mapping[str, str] | None = None,
    ):
        words = [str(word) for word in np.asarray(labels).ravel()]
        self.table = Table(by, {}, {"label": np.asarray(labels, dtype=str)})
        order = [COLORS[i] for i in (2, 1, 0, 3, 4, 5)]
        found = list(dict.fromkeys(words))
        self.colors = {word: order[i % 6] for i, word in enumerate(found)}
        self.colors.update(colors or {})


class Panel:
    """One chart of a figure, in the width that the page leaves it.

    chart
        a single or layered Altair chart on ``alt.NamedData`` (or on its own data,
        such as ``alt.sequence``); the helpers of this module make one.
    x, y
        an `Axis` for every layer's x and y: title, fixed domain, log.
    title, height
        above the chart; height in pixels.
    aspect
        height over width, instead of `height`: 1 for a plane.
    """

    def __init__(
        self,
        chart: alt.TopLevelMixin,
        *,
        x: Axis | None = None,
        y: Axis | None = None,
        title: str = "",
        height: int = 240,
        aspect: float | None = None,
    ):
        if not isinstance(chart, (alt.Chart, alt.LayerChart)):
            raise ValueError(
                f"chart is a {type(chart).__name__}; it must be a single or layered "
                "chart (panels beside each other are separate panels)"
            )
        self.title, self.height, self.aspect = title, height, aspect
        self.spec = chart.to_dict()
        self.spec.pop("config", None)
        self.spec.pop("$schema", None)
        self.spec["height"] = height
        for unit in units(self.spec):
            encoding = unit.get("encoding", {})
            for channel, axis in (("x", x), ("y", y)):
                if axis is not None and channel in encoding:
                    encoding[channel].update(axis.channel())

    @property
    def sources(self) -> set[str]:
        """Names of the tables that the chart is drawn from."""
        text = json.dumps(self.spec)
        return set(re.findall(r'"data": \{"name": "([^"]+)"\}', text)) - set(
            self.spec.get("datasets", {})
        )

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what the page's script needs; `names` are the controls'."""
        params = [param["name"] for param in self.spec.get("params", [])]
        return {
            "spec": self.spec,
            "tables": sorted(self.sources),
            "aspect": self.aspect,
            "picks": {f"pick_{n}": n for n in names if f"pick_{n}" in params},
        }


@dataclass(frozen=True, repr=False)
class Explorable:
    """A finished figure: notebooks and the site show its HTML."""

    name: str
    html: str
    alt: str

    def __repr__(self) -> str:
        return f"Explorable {self.name!r}: {self.alt}"

    def _repr_html_(self) -> str:
        return self.html + page.scripts(self.name)


def figure(
    name: str,
    controls: Sequence[Control],
    panels: Sequence[Panel],
    *,
    alt: str,
    tables: Mapping[str, Table] | None = None,
    badge: Badge | None = None,
    caption: str = "",
    still: Any = None,
) -> Explorable:
    """Return the interactive figure; make it the last value of a cell.

    `name` is its anchor on the page, ``<chapter>-<word>``. `tables` are known to
    charts by their names; several panels may draw the same one. `alt` says what is
    seen, for those who do not see it; `caption` may hold HTML and ``\\(…\\)``.
    What is printed is the start position, or `still`, a matplotlib figure.

    Raises ValueError for a table or control that is unknown or of another size, for
    a table nothing uses, and for a figure of more than `LIMIT` bytes.
    """
    tables = dict(tables or {})
    _check(controls, panels, tables, badge, alt)
    data = {
        "controls": {control.name: control.to_json() for control in controls},
        "tables": {key: table.to_json() for key, table in tables.items()},
        "panels": [panel.to_json([c.name for c in controls]) for panel in panels],
        "badge": badge and {"table": badge.table.to_json(), "colors": badge.colors},
        "config": CONFIG,
    }
    stills = page.stills(data, tables) if still is None else [page.still(still)]
    html = page.figure(name, controls, panels, stills, data, alt, caption)
    if len(html.encode()) > LIMIT:
        raise ValueError(
            f"{name} takes {len(html.encode()):,} bytes; at most {LIMIT:,}: use "
            "fewer positions or ticks in tables"
        )
    return Explorable(name, html, alt)


def _check(
    controls: Sequence[Control],
    panels: Sequence[Panel],
    tables: Mapping[str, Table],
    badge: Badge | None,
    alt: str,
) -> None:
    """Raise ValueError where controls, panels and tables do not fit together."""
    sizes = {control.name: len(control.values) for control in controls}
    if len(sizes) != len(controls):
        raise ValueError("controls must have different names")
    if not panels or not alt.strip():
        raise ValueError("a figure needs at least one panel, and alt")
    named = {**tables, "of the badge": badge.table} if badge else tables
    for key, table in named.items():
        for control, size in zip(table.by, table.sizes, strict=True):
            if sizes.get(control) != size:
                raise ValueError(
                    f"table {key!r} has {size} positions of {control!r}; "
                    f"the controls have {sizes}"
                )
    used = set().union(*(panel.sources for panel in panels))
    if used != set(tables):
        raise ValueError(f"charts draw from {used}, but tables holds {set(tables)}")
