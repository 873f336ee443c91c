"""Printed figures: theory dashed black on top, seeds thin, their mean thick."""

import matplotlib.pyplot as plt
import numpy as np

# Okabe and Ito's palette, readable by the colour-blind; black is the theory's.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]


def use() -> None:
    """Switch matplotlib to the book's style."""
    plt.style.use("learndyn.figures.book")


def compare(ax, x, measured, predicted=None, *, color=None, label=None) -> None:
    """Draw runs over `x` and the theory dashed black on top.

    Args:
        ax: matplotlib axes.
        x: shape [points].
        measured: shape [points], or [seeds, points]: seeds thin, mean thick.
        predicted: shape [points], or None for no theory.
        color: of the runs; the next of the cycle by default.
        label: of the runs in the legend.

    Raises:
        ValueError: shapes that do not fit `x`.
    """
    x, runs = np.asarray(x), np.atleast_2d(np.asarray(measured))
    if x.ndim != 1 or runs.ndim != 2 or runs.shape[1] != x.size:
        raise ValueError(
            f"measured must have shape [points] or [seeds, points] with "
            f"{x.size} points, got {np.shape(measured)}"
        )
    (line,) = ax.plot(x, runs.mean(0), color=color, label=label)
    if len(runs) > 1:
        ax.plot(x, runs.T, color=line.get_color(), linewidth=0.5, alpha=0.35)
    if predicted is not None:
        theory(ax, x, predicted)


def theory(ax, x, predicted, label: str = "theory") -> None:
    """Draw a prediction: dashed black, above everything, one legend entry."""
    if label in ax.get_legend_handles_labels()[1]:
        label = "_" + label
    ax.plot(
        x,
        predicted,
        color="black",
        linestyle="--",
        linewidth=1.4,
        zorder=5,
        label=label,
    )
