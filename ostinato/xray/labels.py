"""How well each label is told, and which are taken for which, as a picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ostinato.errors import missing_extra
from ostinato.xray.readable_tokens import families, readable

_BAR, _TEXT = "#2f5aa8", "#222222"
_MOST_LABELS = 30
_LONGEST_NAME = 16


class LabelFigure(NamedTuple):
    """F1 of a label (or a type of spans), and how often it truly stands."""

    name: str
    f1: float
    count: int


def draw_labels(
    figures: Sequence[LabelFigure],
    confusion: Mapping[tuple[str, str], int],
    picture: Path,
    *,
    title: str,
    measure: str,
    several: bool = False,
) -> None:
    """Draw the F1 of each label as bars, and the confusion of labels beside it.

    Args:
        figures: in the order in which they are drawn, from the top.
        confusion: how many tokens have this true and this predicted label.
        picture: the PNG file to write; its folder is made.
        title: over all.
        measure: over the bars, as "F1 of spans".
        several: whether what is labelled can have several labels: a cell is then of how many that
            have the one label the other is given, and a row need not sum to all of them.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_labels(figures, confusion, title=title, measure=measure, several=several)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def plot_labels(
    figures: Sequence[LabelFigure],
    confusion: Mapping[tuple[str, str], int],
    *,
    title: str,
    measure: str,
    several: bool = False,
) -> Any:
    """The matplotlib figure of `draw_labels`; of many labels the most frequent thirty."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    shown = figures[:_MOST_LABELS]
    # A label that is never given has no cell, and still a row.
    names = sorted(one.name for one in shown) if several else _most_frequent(confusion)
    height = 1.6 + 0.26 * max(len(shown), len(names), 4)
    figure = Figure(figsize=(4.4 + height, height), layout="constrained")
    FigureCanvasAgg(figure)
    bars, cells = figure.subplots(1, 2, width_ratios=(3.6, height))
    _plot_bars(bars, shown, measure)
    totals = {one.name: one.count for one in figures} if several else _totals(confusion)
    _plot_cells(cells, names, confusion, totals)
    if several:
        cells.set_xlabel("given, per cent of those\nwith the true label", fontsize=9)
    figure.suptitle(title, fontsize=11, fontfamily=families(title), parse_math=False)
    return figure


def _plot_bars(axes: Any, figures: Sequence[LabelFigure], measure: str) -> None:
    places = range(len(figures))
    axes.barh(places, [one.f1 for one in figures], color=_BAR, height=0.66)
    for place, one in enumerate(figures):
        told = f"{one.f1:.1%}  ({one.count:,})"
        inside = one.f1 > 0.55
        axes.annotate(
            told,
            (one.f1, place),
            xytext=(-4 if inside else 4, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            fontsize=7.5,
            color="white" if inside else _TEXT,
        )
    _name(axes.set_yticks, axes.yaxis, [one.name for one in figures], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"{measure} (how many)", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _totals(confusion: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How often each label is true."""
    totals: dict[str, int] = {}
    for (true, _), count in confusion.items():
        totals[true] = totals.get(true, 0) + count
    return totals


def _plot_cells(
    axes: Any,
    names: Sequence[str],
    confusion: Mapping[tuple[str, str], int],
    totals: Mapping[str, int],
) -> None:
    """Each row is a true label, its cells the share of it that was given each label."""
    shares = []
    for true in names:
        row = [confusion.get((true, found), 0) for found in names]
        total = totals.get(true, 0)
        shares.append([count / total if total else 0.0 for count in row])
    if not names:  # no sample has a label, and none is given
        axes.set_axis_off()
        return
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    for row, values in enumerate(shares):
        for column, share in enumerate(values):
            if share >= 0.005:
                colour = "white" if share > 0.5 else _TEXT
                axes.text(
                    column,
                    row,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    fontsize=6,
                    color=colour,
                )
    _name(axes.set_xticks, axes.xaxis, names, fontsize=7.5, rotation=90)
    _name(axes.set_yticks, axes.yaxis, names, fontsize=7.5)
    axes.set_xlabel("predicted, per cent of the true label", fontsize=9)
    axes.set_ylabel("true label", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _most_frequent(confusion: Mapping[tuple[str, str], int]) -> list[str]:
    """The labels that stand most often, true or predicted; in the order of their names."""
    often: dict[str, int] = {}
    for labels, count in confusion.items():
        for label in labels:
            often[label] = often.get(label, 0) + count
    kept = sorted(often, key=lambda label: (-often[label], label))[:_MOST_LABELS]
    return sorted(kept, key=lambda label: (label.partition("-")[2] or label, label))


def _name(
    set_ticks: Any, axis: Any, names: Sequence[str], fontsize: float, rotation: int = 0
) -> None:
    """Write a name at each place of an axis, in a font that has its signs."""
    shown = [readable(name, _LONGEST_NAME) for name in names]
    set_ticks(range(len(shown)), shown, parse_math=False, fontsize=fontsize, rotation=rotation)
    for tick, name in zip(axis.get_ticklabels(), shown, strict=True):
        tick.set_fontfamily(families(name))
