"""The marks of the interactive charts, in the style of the printed figures."""

from typing import Any

import altair as alt

from learndyn.figures.axes import INK
from learndyn.figures.style import COLORS


def _chart(source: str | alt.Data) -> alt.Chart:
    return alt.Chart(alt.NamedData(source) if isinstance(source, str) else source)


def _number(field: str) -> str:
    return field if ":" in field else f"{field}:Q"


def line(
    x: str,
    y: str,
    *,
    theory: bool = False,
    color: str = COLORS[0],
    label: str | None = None,
    source: str | alt.Data = "slice",
    width: float = 2,
    order: str | None = None,
    **encodings: Any,
) -> alt.Chart:
    """Return a curve of field `y` over field `x`; `theory` draws it dashed.

    `label` puts it in the panel's key. `order` names the field along which the
    points are joined, which a path in a plane needs (the default is x).
    `encodings` are Altair's, such as ``detail="seed:N"`` for one curve per seed.
    """
    style: dict[str, Any] = (
        {"color": INK, "strokeDash": [5, 4]} if theory else {"color": color}
    )
    mark: dict[str, Any] = {
        "clip": True,
        "strokeWidth": width,
        **style,
        "description": label or alt.Undefined,
    }
    if order is not None:
        encodings["order"] = _number(order)
    chart = _chart(source).mark_line(**mark)
    return chart.encode(x=_number(x), y=_number(y), **encodings)


def points(
    x: str,
    y: str,
    *,
    color: str = COLORS[0],
    label: str | None = None,
    source: str | alt.Data = "slice",
    size: float = 40,
    **encodings: Any,
) -> alt.Chart:
    """Return dots at the fields (x, y); `size` is an area in square pixels."""
    mark: dict[str, Any] = {
        "clip": True,
        "color": color,
        "size": size,
        "filled": True,
        "opacity": 1,
    }
    chart = _chart(source).mark_point(**mark, description=label or alt.Undefined)
    return chart.encode(x=_number(x), y=_number(y), **encodings)


def band(
    x: str,
    low: str,
    high: str,
    *,
    color: str = COLORS[0],
    label: str | None = None,
    source: str | alt.Data = "slice",
) -> alt.Chart:
    """Return the area between the fields `low` and `high`: the spread of seeds."""
    mark: dict[str, Any] = {
        "clip": True,
        "color": color,
        "opacity": 0.25,
        "description": label or alt.Undefined,
    }
    chart = _chart(source).mark_area(**mark)
    return chart.encode(x=_number(x), y=_number(low), y2=high)


def rule(
    *,
    x: float | str | None = None,
    y: float | str | None = None,
    label: str | None = None,
) -> alt.Chart:
    """Return a dashed straight line at `x` or at `y`: a threshold of the theory.

    A string is a Vega expression of the controls: ``rule(y="2 / eta")``.
    """
    if (x is None) == (y is None):
        raise ValueError("rule takes x or y, and not both")
    at = x if x is not None else y
    datum = alt.datum(alt.expr(at) if isinstance(at, str) else at, type="quantitative")
    mark: dict[str, Any] = {
        "clip": True,
        "color": INK,
        "strokeDash": [5, 4],
        "strokeWidth": 1.5,
    }
    chart = _chart(alt.Data(values=[{}])).mark_rule(
        **mark, description=label or alt.Undefined
    )
    return chart.encode(**{"x" if x is not None else "y": datum})


def pick(control: str, *, on: str = "pointerover") -> alt.Parameter:
    """Return a selection that sets `control` to the mark under the pointer.

    Add it to a chart whose rows have a field ``<control>_index``. Highlight with
    ``f"datum.{control}_index == {control}_index"``: the slider then does the same.
    """
    return alt.selection_point(
        name=f"pick_{control}",
        fields=[f"{control}_index"],
        on=on,
        nearest=True,
        clear=False,
        empty=False,
    )


def handles(
    x: str,
    y: str,
    control: str,
    *,
    source: str,
    color: str = COLORS[1],
    on: str = "pointerover",
) -> alt.Chart:
    """Return dots that set `control` when pointed at; the chosen one stands out.

    The rows of the table `source` have a field ``<control>_index`` beside (x, y).
    """
    chosen = f"datum.{control}_index == {control}_index"
    dots = points(x, y, color=color, source=source).encode(
        size=alt.condition(chosen, alt.value(90), alt.value(40)),
        opacity=alt.condition(chosen, alt.value(1), alt.value(0.4)),
    )
    return dots.add_params(pick(control, on=on))


def units(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layers of a chart in dictionary form (itself, if it has none)."""
    layers = spec.get("layer", [])
    return [unit for layer in layers for unit in units(layer)] or [spec]
