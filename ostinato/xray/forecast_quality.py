"""How forecasts fare: the error at each step of the horizon, and nominal against true coverage."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import missing_extra

_OURS = "#2f5aa8"
_OTHERS = ("#8a8a8a", "#c98a1b", "#3f8f6b", "#9a5aa8")
_DASHES = ("-", "--", "-.", ":")

Curve = NDArray[np.float64]


def draw_errors(errors: Mapping[str, Curve], picture: Path) -> None:
    """Draw the mean absolute error at each step ahead.

    Args:
        errors: curves (horizon,) by name, the run's own first.
        picture: the PNG file to write; its folder is made.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    _write(plot_errors(errors), picture)


def draw_coverage(nominal: Sequence[float], coverage: Mapping[str, Curve], picture: Path) -> None:
    """Draw how often what came lay in central intervals, against how often it should have.

    Args:
        nominal: shares that the intervals promise.
        coverage: curves (shares,) by name, the run's own first.
        picture: the PNG file to write; its folder is made.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    _write(plot_coverage(nominal, coverage), picture)


def plot_errors(errors: Mapping[str, Curve]) -> Any:
    """The matplotlib figure of `draw_errors`."""
    figure, axes = _panel((6.8, 3.8))
    # What is far off the scale of the run would leave it no room.
    own = np.nanmax(next(iter(errors.values())))
    top = max(float(np.nanmax(curve)) for curve in errors.values() if np.nanmax(curve) < 6 * own)
    for (name, curve), style in zip(errors.items(), _styles(len(errors)), strict=True):
        steps = np.arange(1, len(curve) + 1)
        beyond = " (beyond the scale)" if np.nanmin(curve) > 1.05 * top else ""
        axes.plot(steps, curve, label=name + beyond, marker=_mark(curve), markersize=4, **style)
    axes.set_ylim(0, 1.05 * top)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("steps ahead", fontsize=9)
    axes.set_ylabel("mean absolute error, standardised", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    return figure


def plot_coverage(nominal: Sequence[float], coverage: Mapping[str, Curve]) -> Any:
    """The matplotlib figure of `draw_coverage`."""
    figure, axes = _panel((4.8, 4.6))
    axes.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=1)
    for (name, curve), style in zip(coverage.items(), _styles(len(coverage)), strict=True):
        axes.plot(nominal, curve, label=name, **style)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share that the central interval promises", fontsize=9)
    axes.set_ylabel("share of values that lay in it", fontsize=9)
    axes.text(0.97, 0.04, "below the line: too sure", ha="right", fontsize=8, color="#777777")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def _styles(count: int) -> list[dict[str, Any]]:
    """Ours is thick and blue; each other is thin and has a colour and dashes of its own."""
    others = [
        {"color": _OTHERS[number % 4], "linestyle": _DASHES[(number + 1) % 4], "linewidth": 1.2}
        for number in range(count - 1)
    ]
    return [{"color": _OURS, "linewidth": 2.0, "zorder": 3}, *others]


def _mark(curve: Curve) -> str | None:
    """One step alone has no line."""
    return "o" if len(curve) == 1 else None


def _panel(size: tuple[float, float]) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _write(figure: Any, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)
