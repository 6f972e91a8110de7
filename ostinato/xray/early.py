"""How much of a sample is needed? A figure of merit against the share of the sample that was seen.

needed(e) = the smallest share from which on the merit is within e of that of whole samples
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ostinato.errors import missing_extra

WITHIN = 0.01
_LINE, _MARK, _TEXT = "#2f5aa8", "#b3472f", "#222222"

Curve = Sequence[tuple[float, float]]
"""Shares of a sample in rising order, the last 1, each with the merit after it."""


def needed_share(curve: Curve, within: float = WITHIN) -> float:
    """The smallest share from which on the merit stays within `within` of that of all.

    Example:
        >>> needed_share([(0.25, 0.5), (0.5, 0.895), (0.75, 0.91), (1.0, 0.9)])
        0.5
    """
    whole, needed = curve[-1][1], curve[-1][0]
    for share, merit in reversed(curve):
        if merit < whole - within - 1e-12:
            break
        needed = share
    return needed


def draw_early(curve: Curve, picture: Path, *, title: str, measure: str) -> None:
    """Draw merit against the share seen into a PNG file.

    Args:
        curve: see `Curve`.
        picture: the PNG file to write; its folder is made.
        title: over all.
        measure: what the merit is, as "accuracy".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_early(curve, title=title, measure=measure)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def plot_early(curve: Curve, *, title: str, measure: str) -> Any:
    """The matplotlib figure of `draw_early`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shares, merits = zip(*curve, strict=True)
    needed = needed_share(curve)
    axes.axvline(needed, color=_MARK, linewidth=1, linestyle="--")
    axes.plot(shares, merits, color=_LINE, marker="o", markersize=3.5, linewidth=1.6)
    told = f"{needed:.0%} of a sample: within a point\nof all of it ({merits[-1]:.1%})"
    # Where the curve is not: it rises to the right, so below it there is room.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    place = (0.98, 0.05)
    axes.text(*place, told, transform=axes.transAxes, ha="right", fontsize=9, color=_TEXT, bbox=box)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("share of each sample seen", fontsize=9)
    axes.set_ylabel(measure, fontsize=9)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title.replace("$", r"\$"), fontsize=11)
    return figure
