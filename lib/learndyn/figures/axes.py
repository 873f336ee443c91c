"""Axes that do not jump, and the look that all interactive charts share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from learndyn.figures.style import COLORS

INK = "currentColor"
"""Axes, text and theory take the colour of the page's text, light or dark."""

FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif"

_POWER = "round(log(datum.value) / LN10)"
_POWERS = (
    f"abs({_POWER}) < 3 || abs(log(datum.value) / LN10 - {_POWER}) > 1e-6"
    " ? format(datum.value, '~g') : '10' + ("
    + f"{_POWER} < 0 ? '⁻' : '') + "
    + "(abs(P) > 9 ? ('⁰¹²³⁴⁵⁶⁷⁸⁹')[floor(abs(P) / 10)] : '') + "
    "('⁰¹²³⁴⁵⁶⁷⁸⁹')[abs(P) % 10]".replace("P", _POWER)
)
"""The label of a tick on a log axis: 0.01, 1, 10, and 10⁻⁴ beyond."""

CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": FONT,
    "padding": 2,
    "autosize": {"type": "fit", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        **{
            f"{part}Color": INK for part in ("domain", "grid", "label", "tick", "title")
        },
        "domainOpacity": 0.6,
        "gridOpacity": 0.12,
        "tickOpacity": 0.6,
        "tickSize": 4,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "tickCount": 5,
        "labelOverlap": True,
        "labelFlush": False,
    },
    "legend": {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal"},
    "title": {"color": INK},
    "text": {"color": INK, "fontSize": 12},
    "range": {"category": COLORS},
}
"""The Vega-Lite configuration of every panel."""


@dataclass(frozen=True)
class Axis:
    """An axis of a panel: `title`, fixed `domain` (low, high), `log`, tick `format`.

    `format` is a d3 format such as ``".1%"`` or ``"e"``. The domain should cover
    what the controls can reach, so that the axis does not jump: see `domain`.
    """

    title: str
    domain: tuple[float, float] | None = None
    log: bool = False
    format: str | None = None

    def __post_init__(self) -> None:
        if self.domain is None:
            return
        low, high = self.domain
        if not low < high or (self.log and low <= 0):
            rule = "0 < low < high" if self.log else "low < high"
            raise ValueError(
                f"domain of {self.title!r} is {self.domain}; must be {rule}"
            )

    def channel(self) -> dict[str, Any]:
        """Return title, scale and axis for the encoding channel of a chart."""
        scale: dict[str, Any] = {"zero": False, "nice": False}
        if self.log:
            scale = {"type": "log", "nice": False}
        if self.domain is not None:
            scale["domain"] = [float(end) for end in self.domain]
        axis: dict[str, Any] = {}
        if self.format:
            axis["format"] = self.format
        elif self.log:
            axis["labelExpr"] = _POWERS
        if self.log and self.domain is not None:
            low, high = np.log10(self.domain)
            powers = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
            if len(powers) >= 2:
                axis["values"] = list(10.0 ** powers[:: 1 + (len(powers) - 1) // 6])
        return {"title": self.title, "scale": scale, "axis": axis}


def domain(
    *arrays: ArrayLike, pad: float = 0.04, log: bool = False
) -> tuple[float, float]:
    """Return (low, high) around all finite entries of `arrays`, for an `Axis`.

    `pad` is the margin, as a fraction of the range (of its logarithm for `log`).

    >>> domain([0, 10], [[5, float("nan")]], pad=0.1)
    (-1.0, 11.0)
    """
    flat = np.concatenate([np.asarray(array, dtype=float).ravel() for array in arrays])
    flat = flat[np.isfinite(flat)]
    if log:
        flat = np.log(flat[flat > 0])
    if flat.size == 0:
        raise ValueError("arrays hold nothing finite" + (" and > 0" if log else ""))
    low, high = float(flat.min()), float(flat.max())
    margin = pad * (high - low) if high > low else 0.5
    low, high = low - margin, high + margin
    return (float(np.exp(low)), float(np.exp(high))) if log else (low, high)
