import numpy as np
import pytest

from learndyn.figures.axes import CONFIG, INK, Axis, domain


def test_axes_follow_the_theme():
    assert {CONFIG["axis"][f"{k}Color"] for k in ("label", "title", "grid")} == {INK}


def test_domain_covers_what_is_finite():
    low, high = domain([1.0, np.inf], [3.0, np.nan], pad=0)
    assert (low, high) == (1, 3)
    low, high = domain([1e-4, 1.0, 0.0], log=True, pad=0)
    assert (low, high) == pytest.approx((1e-4, 1))
    with pytest.raises(ValueError, match="finite"):
        domain([np.nan])


def test_log_axis_is_ruled_by_powers_of_ten():
    channel = Axis("loss", (1e-4, 1), log=True).channel()
    assert channel["axis"]["values"] == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1])
    long = Axis("loss", (1e-20, 1), log=True).channel()
    assert len(long["axis"]["values"]) <= 7


@pytest.mark.parametrize(("ends", "log"), [((1, 0), False), ((0, 1), True)])
def test_axis_names_its_domain(ends, log):
    with pytest.raises(ValueError, match="domain of 'loss'"):
        Axis("loss", ends, log=log)
