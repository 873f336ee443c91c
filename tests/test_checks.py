"""Refusals name the argument."""

import numpy as np
import pytest

from learndyn import checks


def test_finite_values_become_arrays_of_floats():
    one, two = checks.finite(one=1, two=np.array([1, 2]))
    assert one.dtype == two.dtype == np.dtype(float)
    assert two.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, np.array([0.0, -np.inf])])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="second must be finite"):
        checks.finite(first=1.0, second=value)


@pytest.mark.parametrize(
    ("value", "zero"), [(0.0, False), (-1.0, True), (np.inf, True), (np.nan, False)]
)
def test_values_that_are_not_positive_are_refused(value, zero):
    with pytest.raises(ValueError, match="rate must be"):
        checks.positive("rate", value, zero=zero)


@pytest.mark.parametrize(
    "matrix", [-np.eye(2), np.ones((2, 2)), np.triu(np.ones((2, 2))), np.ones((2, 3)),
               np.ones(2), np.diag([1, np.nan])],
)  # fmt: skip
def test_matrices_that_are_not_definite_are_refused(matrix):
    with pytest.raises(ValueError, match="second must be"):
        checks.definite(first=np.eye(2), second=matrix)


def test_definite_matrices_become_arrays_of_floats():
    (one,) = checks.definite(one=[[2, 1], [1, 2]])
    assert one.dtype == np.dtype(float)


def test_zero_passes_where_it_is_allowed():
    checks.positive("rate", np.array([0.0, 2.0]), zero=True)
