"""Where a decoder looked: the alignment of two sentences, as a picture and as data."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ostinato.errors import ShapeError, missing_extra
from ostinato.xray.readable_tokens import families, readable

_CELL = 0.27  # inches
_MOST_DOTS = 9000


def draw_alignment(
    weights: Any,
    source: Sequence[str],
    target: Sequence[str],
    picture: Path,
    *,
    title: str | None = None,
) -> None:
    """Draw where each target token looked, the source along the top, the target down the side.

    Args:
        weights: (target tokens, source tokens), from 0 to 1; a tensor or nested lists.
        source, target: the tokens, in any script.
        picture: the PNG file to write; its folder is made.
        title: above the picture. None: none.

    Raises:
        ShapeError: the weights do not fit the tokens.
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_alignment(weights, source, target, title=title)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    # Long sentences make a large picture, of fewer dots an inch where it would be too large.
    dots = min(150.0, _MOST_DOTS / max(figure.get_size_inches()))
    figure.savefig(beside, dpi=dots)
    os.replace(beside, picture)


def alignment_data(weights: Any, source: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    """The same as JSON can hold it: `source`, `target`, and `weights`, a row a target token.

    Example:
        >>> alignment_data([[0.25, 0.75]], ["ein", "Hund"], ["dog"])
        {'source': ['ein', 'Hund'], 'target': ['dog'], 'weights': [[0.25, 0.75]]}
    """
    rows = _rows(weights, len(source), len(target))
    rounded = [[round(weight, 6) for weight in row] for row in rows]
    return {"source": list(source), "target": list(target), "weights": rounded}


def plot_alignment(
    weights: Any, source: Sequence[str], target: Sequence[str], *, title: str | None = None
) -> Any:
    """A matplotlib figure of an alignment; arguments as `draw_alignment` has them."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    rows = _rows(weights, len(source), len(target))
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    colours = LinearSegmentedColormap.from_list(
        "alignment", ["#ffffff", "#c3d2e8", "#6f8fc2", "#2f4f86", "#14233f"]
    )
    image = axes.imshow(rows, cmap=colours, vmin=0, vmax=1, aspect="auto")
    _write_tokens(axes, source, target)
    _draw_cells(axes, len(source), len(target))
    if title is not None:
        axes.set_title(title, fontfamily=families(title), parse_math=False, loc="left", x=0)
    _lay_out(figure, axes, image, (len(source), len(target)))
    return figure


def _lay_out(figure: Any, axes: Any, image: Any, cells: tuple[int, int]) -> None:
    """Cells of one size, and room for the tokens as they come out: measured, in inches."""
    width, height = _CELL * cells[0], _CELL * cells[1]
    beside = [_extent(figure, tick) for tick in axes.get_yticklabels()]
    above = [_extent(figure, tick) for tick in axes.get_xticklabels()]
    left = 0.2 + max(size[0] for size in beside)
    top = 0.2 + max(size[1] for size in above)
    reach = max(_CELL * (place + 0.5) + size[0] for place, size in enumerate(above))
    if axes.get_title("left"):
        axes.set_title(axes.get_title("left"), loc="left", pad=72 * top, parse_math=False)
        title = _extent(figure, axes._left_title)
        top, reach = top + title[1] + 0.1, max(reach, title[0])
    bar = min(1.4, height)
    below, right = 0.15 + max(0.0, 0.6 - height), max(0.9, reach - width + 0.15)
    whole = (left + width + right, below + height + top)
    figure.set_size_inches(whole)
    axes.set_position((left / whole[0], below / whole[1], width / whole[0], height / whole[1]))
    place = ((left + width + 0.2) / whole[0], below / whole[1], 0.1 / whole[0], bar / whole[1])
    _draw_bar(figure, image, place)


def _extent(figure: Any, text: Any) -> tuple[float, float]:
    """Width and height of a text in inches."""
    box = text.get_window_extent(figure.canvas.get_renderer())
    return box.width / figure.dpi, box.height / figure.dpi


def _draw_bar(figure: Any, image: Any, place: tuple[float, float, float, float]) -> None:
    bar = figure.colorbar(image, cax=figure.add_axes(place), ticks=[0, 0.5, 1])
    bar.set_label("weight", color="#555555", fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor="#555555")


def _rows(weights: Any, source: int, target: int) -> list[list[float]]:
    rows = weights.tolist() if hasattr(weights, "tolist") else [list(row) for row in weights]
    if len(rows) != target or any(len(row) != source for row in rows) or not source * target:
        widths = sorted({len(row) for row in rows})
        raise ShapeError(
            f"weights must be (target tokens, source tokens) = ({target}, {source}) and neither "
            f"empty, got {len(rows)} rows of {widths or 0}"
        )
    return rows


def _write_tokens(axes: Any, source: Sequence[str], target: Sequence[str]) -> None:
    axes.xaxis.tick_top()
    sides = ((axes.set_xticks, source, 60), (axes.set_yticks, target, 0))
    for place, tokens, rotation in sides:
        labels = [readable(token) for token in tokens]
        place(range(len(labels)), labels, fontsize=10, parse_math=False)
        ticks = axes.get_xticklabels() if rotation else axes.get_yticklabels()
        for tick, label in zip(ticks, labels, strict=True):
            tick.set_fontfamily(families(label))
            if rotation:
                tick.set(rotation=rotation, ha="left", va="bottom", rotation_mode="anchor")
    axes.tick_params(length=0, pad=4)


def _draw_cells(axes: Any, source: int, target: int) -> None:
    """Thin lines between the cells, and stronger ones at every tenth, for the eye to hold on."""
    axes.spines[:].set_visible(False)
    for count, line in ((source, axes.axvline), (target, axes.axhline)):
        for place in range(count + 1):
            tenth = place % 10 == 0 and count > 15
            width, colour = (0.9, "#b9c0cc") if tenth else (0.4, "#e3e6eb")
            line(place - 0.5, linewidth=width, color=colour)
