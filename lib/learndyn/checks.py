"""Refusals that the formulas share: a clear error that names the argument.

>>> finite(x=[1, 2])[0]
array([1., 2.])
>>> positive("eta", 0.0)
Traceback (most recent call last):
ValueError: eta must be above 0, finite
"""

import numpy as np
from numpy.typing import ArrayLike


def finite(**values: ArrayLike) -> list[np.ndarray]:
    """Return the values as arrays of floats, in order.

    Raises:
        ValueError: a value that is infinite or NaN.
    """
    for name, value in values.items():
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{name} must be finite")
    return [np.asarray(value, dtype=float) for value in values.values()]


def positive(name: str, value: ArrayLike, *, zero: bool = False) -> None:
    """Refuse a value that is not positive and finite; `zero` allows 0.

    Raises:
        ValueError: a value out of this range.
    """
    good = np.asarray(value) >= 0 if zero else np.asarray(value) > 0
    if not np.all(good & np.isfinite(value)):
        raise ValueError(f"{name} must be {'at least' if zero else 'above'} 0, finite")


def definite(**matrices: ArrayLike) -> list[np.ndarray]:
    """Return the symmetric, positive definite matrices as arrays, in order.

    Raises:
        ValueError: one that is not finite, square, symmetric or positive definite.
    """
    arrays = finite(**matrices)
    for name, m in zip(matrices, arrays, strict=True):
        square = m.ndim == 2 and m.shape == m.T.shape
        if not (square and np.allclose(m, m.T) and np.linalg.eigvalsh(m)[0] > 0):
            raise ValueError(f"{name} must be symmetric and positive definite")
    return arrays
