"""How far a measurement is from its prediction: the arithmetic behind `claims`.

Each function returns an `Agreement`; none of them decides or shows anything.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats


class Agreement(NamedTuple):
    """Error and tolerance in the same unit, and what a reader is shown of them."""

    predicted: str
    measured: str
    error: float  # NaN or infinite where a number is not finite
    tolerance: float
    reason: str  # where the tolerance comes from, if the way itself knows
    two_routes: bool  # the measurement is not made of jax arrays
    options: dict[str, Any]  # what a negative control of the same theorem inherits


@np.errstate(divide="ignore", invalid="ignore")
def equal(predicted, measured, *, rtol=None, atol=None) -> Agreement:
    """Largest difference, over the largest |predicted| if `rtol` is given."""
    if (rtol is None) == (atol is None):
        raise ValueError("give exactly one of rtol and atol")
    relative = atol is None
    tolerance = _positive("rtol" if relative else "atol", rtol if relative else atol)
    expected, found = _pair(predicted, measured)
    difference = np.abs(found - expected)
    worst = _worst(difference)
    scale = np.abs(expected).max() if relative else 1.0
    if scale == 0:
        raise ValueError("rtol needs a predicted value other than 0: use atol")
    return Agreement(
        _number(expected[worst]),
        _number(found[worst]),
        float(difference[worst] / scale),
        tolerance,
        "",
        not _simulated(measured),
        {"rtol": rtol, "atol": atol},
    )


def limit(predicted, measured, *, atol) -> Agreement:
    """Largest difference, without division."""
    return equal(predicted, measured, atol=atol)._replace(options={"atol": atol})


def order(sizes, errors, *, order, atol) -> Agreement:
    """Distance of the slope of log error on log size from `order`."""
    tolerance = _positive("atol", atol)
    step, error = _pair(sizes, errors)
    if step.ndim != 1 or len(np.unique(step)) < 3 or not (step > 0).all():
        raise ValueError("sizes must be at least 3 distinct positive numbers")
    slope = np.nan
    if np.isfinite(error).all() and (error > 0).all():
        slope = np.polyfit(np.log(step), np.log(error), 1)[0]
    return Agreement(
        f"order {order:g}",
        f"slope {slope:.4g}",
        float(abs(slope - order)),
        tolerance,
        "",
        not _simulated(errors),
        {"order": order, "atol": atol},
    )


@np.errstate(divide="ignore", invalid="ignore")
def mean(predicted, samples, *, k: float = 4) -> Agreement:
    """Largest deviation of the mean over seeds, in standard errors."""
    _positive("k", k)
    found = _array("samples", samples)
    seeds = len(found) if found.ndim else 0
    if seeds < 3:
        raise ValueError(f"samples must hold at least 3 seeds, got {seeds}")
    tolerance = k if seeds >= 10 else stats.t.isf(stats.norm.sf(k), seeds - 1)
    expected, average = _pair(predicted, found.mean(0))
    spread = np.broadcast_to(found.std(0, ddof=1) / np.sqrt(seeds), average.shape)
    deviation = np.abs(average - expected)
    errors = np.where(deviation == 0, 0.0, deviation / spread)
    worst = _worst(errors)
    return Agreement(
        _number(expected[worst]),
        f"{_number(average[worst])} ± {spread[worst]:.2g}",
        float(errors[worst]),
        float(tolerance),
        f"standard errors, {seeds} seeds",
        not _simulated(samples),
        {"k": k},
    )


@np.errstate(invalid="ignore")
def bound(lower, measured, upper=None) -> Agreement:
    """Size of the violation of lower <= measured <= upper; 0 if there is none."""
    if lower is None and upper is None:
        raise ValueError("give lower, upper or both")
    found = _array("measured", measured)
    sides = [("at least", lower, 1), ("at most", upper, -1)]
    slacks, scale, shown = [], np.abs(found).max(), []
    for words, edge, sign in sides:
        if edge is not None:
            value, broadcast = _pair(edge, found)
            slacks.append((sign * (broadcast - value)).min())
            scale = np.maximum(scale, np.abs(value).max())
            shown.append(f"{words} {_range(value)}")
    slack = float(min(slacks))
    return Agreement(
        " and ".join(shown),
        _range(found),
        max(-slack, 0.0) if np.isfinite(scale) else np.nan,
        64 * np.finfo(float).eps * float(max(scale, np.finfo(float).tiny)),
        f"rounding; slack {slack:.3g}",
        not _simulated(measured),
        {},
    )


def _array(name: str, value) -> np.ndarray:
    array = np.asarray(value, dtype=float)
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    return array


def _pair(predicted, measured) -> tuple[np.ndarray, np.ndarray]:
    first, second = _array("predicted", predicted), _array("measured", measured)
    try:
        first, second = np.broadcast_arrays(first, second)
    except ValueError:
        raise ValueError(
            f"predicted has shape {first.shape}, measured {second.shape}"
        ) from None
    return first, second


def _positive(name: str, value: float) -> float:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name}={value} must be positive and finite")
    return float(value)


def _worst(errors) -> tuple:
    """Index of the largest error; a number that is not finite comes first."""
    errors = np.where(np.isfinite(errors), errors, np.inf)
    return np.unravel_index(np.argmax(errors), errors.shape)


def _simulated(value) -> bool:
    """Whether a measurement is made of jax arrays (asked without importing jax)."""
    if isinstance(value, list | tuple):
        return bool(value) and all(_simulated(item) for item in value)
    return type(value).__module__.split(".")[0] in ("jax", "jaxlib")


def _number(value: float) -> str:
    return f"{value:.5g}"


def _range(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return _number(low) if low == high else f"{_number(low)} … {_number(high)}"
