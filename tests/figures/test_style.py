"""Printed figures: one look, theory dashed black on top."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from learndyn.figures import style


@pytest.fixture
def ax():
    with plt.rc_context():
        style.use()
        figure, ax = plt.subplots()
        yield ax
        plt.close(figure)


def test_the_style_file_cycles_through_the_palette(ax):
    cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert list(cycle) == style.COLORS


def test_seeds_are_thin_their_mean_thick_and_theory_dashed_on_top(ax):
    x, runs = np.arange(5.0), np.random.default_rng(0).normal(size=(3, 5))
    style.compare(ax, x, runs, runs[0], label="runs")
    mean, *seeds, theory = ax.lines
    assert np.allclose(mean.get_ydata(), runs.mean(0))
    assert all(seed.get_linewidth() < mean.get_linewidth() for seed in seeds)
    assert {line.get_color() for line in (mean, *seeds)} == {style.COLORS[0]}
    assert (theory.get_color(), theory.get_linestyle()) == ("black", "--")
    assert theory.get_zorder() > mean.get_zorder()


def test_theory_has_one_legend_entry(ax):
    for _ in range(3):
        style.compare(ax, np.arange(3.0), np.zeros(3), np.zeros(3), label="run")
    assert ax.get_legend_handles_labels()[1].count("theory") == 1


def test_shapes_that_do_not_fit_are_named(ax):
    with pytest.raises(ValueError, match=r"measured must have shape"):
        style.compare(ax, np.arange(3.0), np.zeros((2, 4)))
