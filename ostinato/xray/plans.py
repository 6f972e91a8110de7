"""Points with an answer to them, the model's beside the exact one, as a picture."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import missing_extra

_FILL, _LINE, _POINT = "#9db4d6", "#2f5aa8", "#222222"
_MOST_NUMBERED = 40


class Panel(NamedTuple):
    """One picture: a `title` over it, and `lines`, rows of the points joined in turn.

    `filled`: colour the inside of each line.
    """

    title: str
    lines: Sequence[NDArray[np.int64]]
    filled: bool


def draw_plans(points: NDArray[np.float64], panels: Sequence[Panel], picture: Path) -> None:
    """Draw the same points once a panel, side by side.

    Args:
        points: (points, 2), or (points, 1) to be drawn over their row numbers.
        panels: what is drawn over them.
        picture: the PNG file to write; its folder is made.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_plans(points, panels)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def plot_plans(points: NDArray[np.float64], panels: Sequence[Panel]) -> Any:
    """The matplotlib figure of `draw_plans`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    figure = Figure(figsize=(4.6 * len(panels), 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        _plot_panel(axes, points, panel)
    return figure


def _plot_panel(axes: Any, points: NDArray[np.float64], panel: Panel) -> None:
    for rows in panel.lines:
        corners = points[rows]
        if panel.filled:
            axes.fill(*corners.T, facecolor=_FILL, alpha=0.25, edgecolor="none")
        closed = np.concatenate([corners, corners[:1]])
        axes.plot(*closed.T, color=_LINE, linewidth=1.4, zorder=2)
    size = 26 if len(points) <= _MOST_NUMBERED else 8
    axes.scatter(*points.T, s=size, color=_POINT, zorder=3)
    if len(points) <= _MOST_NUMBERED:
        _number_points(axes, points)
    axes.set_title(panel.title, fontsize=10)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _number_points(axes: Any, points: NDArray[np.float64]) -> None:
    """The row number beside each point, edged with white to be read over a line."""
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=2.5, foreground="white")]
    for row, place in enumerate(points):
        axes.annotate(
            str(row),
            place,
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=8,
            zorder=4,
            path_effects=edge,
        )
