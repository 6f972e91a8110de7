"""History, the fan of a forecast, and what came, as a picture."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import missing_extra

MOST_DATES = 7
"""Labels below a panel: dates are wide."""
_HISTORY, _FORECAST, _TRUTH = "#444444", "#2f5aa8", "#c0502d"


class Fan(NamedTuple):
    """One panel.

    `history` (time,); `edges` (quantiles, horizon), NaN where points were forecast; `centre`
    (horizon,); `truth` (horizon,) or None; `label` of a step, counted from the last value read, or
    None where the steps have no dates; `ticks`, the steps that are labelled, none where none is
    round.
    """

    title: str
    history: NDArray[Any]
    edges: NDArray[Any]
    centre: NDArray[Any]
    truth: NDArray[Any] | None
    label: Callable[[int], str] | None = None
    ticks: Sequence[int] = ()


def draw_forecasts(fans: Sequence[Fan], quantiles: Sequence[float], picture: Path) -> None:
    """Draw each forecast after its history, one panel below the other.

    Args:
        fans: what to draw.
        quantiles: rising; the first and the last bound the outer band, and so on inwards.
        picture: the PNG file to write; its folder is made.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_forecasts(fans, quantiles)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def plot_forecasts(fans: Sequence[Fan], quantiles: Sequence[float]) -> Any:
    """The matplotlib figure of `draw_forecasts`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    figure = Figure(figsize=(8.5, 2.7 * len(fans) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, fan in zip(np.atleast_1d(figure.subplots(len(fans), 1)), fans, strict=True):
        _plot_fan(axes, fan, quantiles)
    return figure


def _plot_fan(axes: Any, fan: Fan, quantiles: Sequence[float]) -> None:
    horizon = len(fan.centre)
    ahead = np.arange(1, horizon + 1)
    axes.plot(np.arange(1 - len(fan.history), 1), fan.history, color=_HISTORY, lw=1.1)
    bands = 0 if np.isnan(fan.edges).all() else len(quantiles) // 2
    for inwards in range(bands):
        low, high = quantiles[inwards], quantiles[-1 - inwards]
        axes.fill_between(
            ahead,
            fan.edges[inwards],
            fan.edges[-1 - inwards],
            color=_FORECAST,
            alpha=0.22,
            lw=0,
            label=f"{low:g} to {high:g}",
        )
    axes.plot(ahead, fan.centre, color=_FORECAST, lw=1.5, label="forecast")
    if fan.truth is not None:
        axes.plot(ahead[: len(fan.truth)], fan.truth, color=_TRUTH, lw=1.2, label="what came")
    axes.axvline(0.5, color="#999999", lw=0.8, ls=":")
    axes.set_title(fan.title, fontsize=10, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)
    label = fan.label
    if label is None:
        axes.set_xlabel("steps from the last value read", fontsize=8)
    elif len(fan.ticks):
        axes.set_xticks(fan.ticks, [label(step) for step in fan.ticks])
    else:
        axes.xaxis.get_major_locator().set_params(nbins=MOST_DATES)
        axes.xaxis.set_major_formatter(lambda step, _: label(round(step)))
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    # Above the panel, where no curve can be.
    axes.legend(
        fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=8, borderpad=0
    )
