"""Swept results, stored small enough to travel inside a page."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MISSING = -32768
"""The stored integer that stands for "no value" (a gap in a curve)."""


class Table:
    """What a figure shows, for every position of some of its controls.

    by
        names of the controls that are swept: the leading axes of every array.
        ``()`` for a table that no control changes.
    axes
        the remaining axes, in order: name → 1-D array of ticks (numbers or
        strings). They are stored once. ``{}`` gives one row of scalars.
    values
        name → array of shape (*controls in `by`, *ticks of `axes`): numbers, or
        strings (labels). NaN and ±inf become gaps.
    log
        names of the values that are positive and stored to a *relative*
        precision: choose it when a log axis shows them.
    within
        name → (low, high), the range that the chart shows. Values are clipped
        one range beyond it, so that a diverging run leaves the frame instead of
        taking the precision of all others with it.

    A value takes two bytes: the error is at most half a `step`, the range of the
    values over 65 534 (of their logarithms for those in `log`). The chart is
    handed rows ``{"t": …, "loss": …}``, one for each combination of ticks.

    >>> table = Table(by=("eta",), axes={"t": [0, 1]},
    ...               values={"loss": [[1.0, 0.5], [1.0, 0.25]]})
    >>> [row["t"] for row in table.rows({"eta": 1})]
    [0, 1]
    >>> round(table.rows({"eta": 1})[1]["loss"], 4)
    0.25
    """

    def __init__(
        self,
        by: Sequence[str],
        axes: Mapping[str, ArrayLike],
        values: Mapping[str, ArrayLike],
        *,
        log: Sequence[str] = (),
        within: Mapping[str, tuple[float, float]] | None = None,
    ):
        within = dict(within or {})
        if isinstance(by, str) or isinstance(log, str):
            raise ValueError('by and log are tuples of names, such as by=("eta",)')
        if not values:
            raise ValueError("values must hold at least one array")
        for name, given in (("log", set(log)), ("within", set(within))):
            if given - set(values):
                raise ValueError(f"{name} names {given - set(values)}; not in values")
        self.by = tuple(by)
        self.axes = {name: _ticks(name, points) for name, points in axes.items()}
        if clash := (set(self.axes) & set(values)):
            raise ValueError(f"axes and values share the names {clash}")
        arrays = {name: np.asarray(array) for name, array in values.items()}
        lengths = tuple(len(points) for points in self.axes.values())
        first = next(iter(arrays.values())).shape
        self.sizes = first[: len(self.by)]
        """Positions of each control in `by`."""
        for name, array in arrays.items():
            self._check(name, array.shape, lengths)
        self.values = {
            name: _encode(name, array, log=name in log, within=within.get(name))
            for name, array in arrays.items()
        }
        self.step = {
            name: value["scale"]
            for name, value in self.values.items()
            if "scale" in value
        }
        """Distance of two neighbouring stored values (of logarithms for `log`)."""

    def _check(
        self, name: str, shape: tuple[int, ...], lengths: tuple[int, ...]
    ) -> None:
        if len(shape) != len(self.by) + len(lengths) or shape != self.sizes + lengths:
            raise ValueError(
                f"values[{name!r}] has shape {shape}; expected one axis for each "
                f"control {self.by}, the same for every value, then {lengths} for "
                f"the axes {tuple(self.axes)}"
            )

    def rows(self, state: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return what the chart is handed at the controls' indices `state`."""
        slice_ = 0
        for name, size in zip(self.by, self.sizes, strict=True):
            if not 0 <= state[name] < size:
                raise ValueError(f"state[{name!r}] is {state[name]}; must be < {size}")
            slice_ = slice_ * size + state[name]
        rows: list[dict[str, Any]] = [{}]
        for name, points in self.axes.items():
            rows = [{**row, name: point} for row in rows for point in points]
        first, last = slice_ * len(rows), (slice_ + 1) * len(rows)
        for name, value in self.values.items():
            column = _decode(value, first, last)
            for row, entry in zip(rows, column, strict=True):
                row[name] = entry
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the form in which the table stands in the page."""
        return {
            "by": self.by,
            "sizes": self.sizes,
            "axes": list(self.axes.items()),
            "values": self.values,
        }


def _ticks(name: str, points: ArrayLike) -> list[Any]:
    array = np.asarray(points)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"axes[{name!r}] must be a 1-D array with at least one tick")
    if array.dtype.kind == "f":
        return [float(f"{point:.7g}") for point in array]
    return array.tolist()


def _pack(stored: NDArray[np.int_]) -> str:
    return base64.b64encode(stored.astype("<i2").tobytes()).decode()


def _encode(
    name: str,
    array: NDArray[Any],
    *,
    log: bool,
    within: tuple[float, float] | None,
) -> dict[str, Any]:
    if array.dtype.kind in "OUS":
        labels, index = np.unique(array.astype(str).ravel(), return_inverse=True)
        return {"data": _pack(index), "labels": labels.tolist()}
    array = array.astype(float).ravel()
    if log:
        if np.any(array <= 0):
            raise ValueError(f"values[{name!r}] is in log; it must be > 0 everywhere")
        array = np.log(array)
    if within is not None:
        low, high = np.log(within) if log else within
        if not high > low:
            raise ValueError(f"within[{name!r}] is {within}; must be low < high")
        array = np.clip(array, 2 * low - high, 2 * high - low)
    seen = array[np.isfinite(array)]
    low, high = (seen.min(), seen.max()) if seen.size else (0.0, 0.0)
    scale, offset = float(high - low) / 65534, float(high + low) / 2
    stored = np.full(array.shape, MISSING)
    good = np.isfinite(array)
    stored[good] = np.rint((array[good] - offset) / scale) if scale else 0
    encoded = {"data": _pack(stored), "scale": scale, "offset": offset}
    return {**encoded, "log": True} if log else encoded


def _decode(value: Mapping[str, Any], first: int, last: int) -> list[Any]:
    stored = np.frombuffer(base64.b64decode(value["data"]), dtype="<i2")[first:last]
    if "labels" in value:
        return [value["labels"][index] for index in stored]
    numbers = value["offset"] + value["scale"] * stored.astype(float)
    if value.get("log"):
        numbers = np.exp(numbers)
    return [
        None if k == MISSING else float(x) for k, x in zip(stored, numbers, strict=True)
    ]
