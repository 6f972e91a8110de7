"""Is a model as often right as it is sure? The reliability diagram, and its one figure.

Samples are put into bins of equal width by the probability p of their predicted class; in bin b,
with n_b of the n samples, the model should be right as often as its mean p says.

    calibration error = sum_b n_b / n |accuracy_b - mean p_b|

Source: Guo et al. 2017, equation 3 (the expected calibration error), with 10 bins.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import missing_extra

BINS = 10
_PREDICTED = "the predicted class"
_BAR, _GAP, _TEXT = "#2f5aa8", "#c0504d", "#222222"

Sure = NDArray[np.float64]
Right = NDArray[np.bool_]


def calibration_error(sure: Sure, right: Right) -> float:
    """The calibration error, from 0 to 1.

    Args:
        sure: (samples,), the probability of the predicted class.
        right: (samples,), whether it is the true one.

    Example:
        >>> round(calibration_error(np.array([0.75, 0.75]), np.array([True, False])), 6)
        0.25
    """
    count, mean, accuracy = _bins(sure, right)
    return float((count * np.abs(accuracy - mean)).sum() / max(1, count.sum()))


def draw_calibration(
    sure: Sure, right: Right, picture: Path, *, title: str, of: str = _PREDICTED
) -> None:
    """Draw the reliability diagram, and below it how many samples each bin has.

    Args:
        sure, right: as in `calibration_error`.
        picture: the PNG file to write; its folder is made.
        title: over all.
        of: what the probabilities are of; "the predicted class", or of samples with several labels
            "each label", which is right where it is there.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_calibration(sure, right, title=title, of=of)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def plot_calibration(sure: Sure, right: Right, *, title: str, of: str = _PREDICTED) -> Any:
    """The matplotlib figure of `draw_calibration`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    count, mean, accuracy = _bins(sure, right)
    figure = Figure(figsize=(4.6, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _plot_reliability(above, count, mean, accuracy)
    error = calibration_error(sure, right)
    told = f"calibration error {error:.1%}\nsure {sure.mean():.1%}, right {right.mean():.1%}"
    above.text(0.03, 0.97, told, transform=above.transAxes, va="top", fontsize=9, color=_TEXT)
    _plot_counts(below, count, of)
    figure.suptitle(title.replace("$", r"\$"), fontsize=11)
    return figure


def _plot_reliability(axes: Any, count: Any, mean: Any, accuracy: Any) -> None:
    there = count > 0
    axes.plot((0, 1), (0, 1), color="#999999", linewidth=1, linestyle="--")
    axes.vlines(mean[there], mean[there], accuracy[there], color=_GAP, linewidth=2)
    axes.plot(mean[there], accuracy[there], color=_BAR, marker="o", markersize=5, linewidth=1.5)
    axes.set_ylabel("share that is right", fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_counts(axes: Any, count: Any, of: str) -> None:
    centres = (np.arange(BINS) + 0.5) / BINS
    axes.bar(centres, count / max(1, count.sum()), width=0.9 / BINS, color=_BAR)
    axes.set_xlabel(f"probability of {of}", fontsize=9)
    axes.set_ylabel("samples" if of == _PREDICTED else "decisions", fontsize=9)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _bins(sure: Sure, right: Right) -> tuple[Sure, Sure, Sure]:
    """Of each bin: its samples, their mean probability, and the share that is right."""
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS).astype(float)
    some = np.maximum(count, 1)
    mean = np.bincount(place, sure, BINS) / some
    return count, mean, np.bincount(place, right.astype(float), BINS) / some
