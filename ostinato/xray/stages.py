"""How a cell's step runs compiled, as a picture: the forward loop above the backward loop."""

import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ostinato.engine.explain import Explanation
from ostinato.engine.explain.explanation import Line, Product, Segment
from ostinato.errors import missing_extra


class _Colour(NamedTuple):
    """Of a box: its face and its edge."""

    face: str
    edge: str


_PRODUCT = _Colour("#fbdcb8", "#c77a2a")
_MAP = _Colour("#dbe8f6", "#5f89ba")
_SUM = _Colour("#f8ecb4", "#bb9d28")
_STATE = _Colour("#d3ebd3", "#4f9450")
_SAVED = _Colour("#e8def3", "#8566ad")
_PLAIN = _Colour("#eeeeec", "#8a8a86")
_BAND = _Colour("#fafaf8", "#d5d5d0")
_INK, _PALE = "#26292e", "#6d7177"

# Inches, from the left and from the top.
_WIDTH, _EDGE = 12.7, 0.3
_READS, _BOX, _NOTES = 0.75, 2.95, 9.45
_BOX_WIDTH = 6.1
_ROW, _GAP, _PAD = 0.215, 0.2, 0.09
_LETTERS = 82  # of a formula on one line
_SIZE = 8.5  # points
_DOTS = 120  # an inch


def draw_stages(explanation: Explanation, picture: Path) -> None:
    """Draw products, element-wise work, sums and stores of a step, and what flows between them.

    Args:
        explanation: of a cell's step.
        picture: the PNG file to write; its folder is made.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    figure = Figure(dpi=_DOTS)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    height = _Drawing(axes).draw(explanation)
    # Everything was drawn in inches from the top left corner; only now it is known how many.
    figure.set_size_inches(_WIDTH, height)
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    canvas.draw()
    # 256 colours are enough, and make half of the file.
    drawn = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    drawn.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE).save(beside, optimize=True)
    os.replace(beside, picture)


class _Drawing:
    """Draws from the top down; `y` is how far it has come."""

    def __init__(self, axes: Any) -> None:
        self.axes = axes
        self.y = 0.5

    def draw(self, explanation: Explanation) -> float:
        """Draw all, and return the height."""
        self.text(_EDGE, self.y, explanation.cell, size=15, weight="bold")
        self.text(_EDGE, self.y + 0.3, explanation.sizes, size=9.5, colour=_PALE)
        self._legend()
        self.y += 0.6
        self._products_band("before the loop, all steps at once", explanation.before)
        if explanation.before:
            self._flow("one step after the other")
        self._loop_band("forward loop", "first step to last", explanation.forward)
        self._kept(explanation)
        self._loop_band("backward loop", "last step to first", explanation.backward)
        self._flow("gradients of all steps")
        self._products_band("after the loop, all steps at once", explanation.after)
        return self.y + 0.15

    # ---- bands

    def _products_band(self, title: str, products: Sequence[Product]) -> None:
        if products:
            top = self._open_band(title)
            for product in products:
                self._product(product)
                self.y += _GAP / 2
            self._close_band(top)

    def _loop_band(self, title: str, way: str, segments: Sequence[Segment]) -> None:
        top = self._open_band(f"{title}, {way}")
        first, boxes = self.y, 0
        for segment in segments:
            for draw in self._boxes_of(segment):
                if boxes:
                    self._down(self.y, self.y + _GAP)
                    self.y += _GAP
                draw()
                boxes += 1
        handed = [line.name.base for line in _lines_of(segments) if _is_handed_on(line)]
        onward = "the next step" if title == "forward loop" else "the step before"
        words = f"{', '.join(dict.fromkeys(handed))}: on to {onward}"
        self.y += 0.2
        self.text(_READS - 0.17, self.y, words, size=8, colour=_STATE.edge, style="italic")
        self._around(_READS - 0.3, first, self.y)
        self.y += 0.16
        self._close_band(top)

    def _open_band(self, title: str) -> float:
        top = self.y
        self.text(_EDGE + 0.15, top + 0.2, title, size=9.5, weight="bold", colour=_PALE)
        self.y += 0.42
        return top

    def _close_band(self, top: float) -> None:
        self.box(_EDGE, top, _WIDTH - 2 * _EDGE, self.y - top, _BAND, layer=0)
        self.y += 0.05

    def _flow(self, words: str) -> None:
        """An arrow from one band to the next."""
        self._down(self.y, self.y + 0.36, wide=True)
        self.text(_BOX + _BOX_WIDTH / 2 + 0.2, self.y + 0.17, words, size=8, colour=_PALE)
        self.y += 0.4

    def _kept(self, explanation: Explanation) -> None:
        total = sum(each.numbers for each in explanation.kept)
        words = f"{total:,} numbers a sample and step wait for the backward pass"
        parts = ", ".join(f"{each.what} {each.numbers:,}" for each in explanation.kept)
        middle = _BOX + _BOX_WIDTH / 2
        self._down(self.y, self.y + 0.52, wide=True, colour=_SAVED.edge)
        self.text(middle + 0.2, self.y + 0.16, words, size=8.5, colour=_SAVED.edge, weight="bold")
        self.text(middle + 0.2, self.y + 0.35, parts, size=8, colour=_SAVED.edge)
        self.y += 0.57

    # ---- what a segment is made of

    def _boxes_of(self, segment: Segment) -> Iterator[Callable[[], None]]:
        """What draws each box of a segment, in order."""
        for product in segment.products:
            yield partial(self._product, product)
        reads = segment.reads
        for lines in segment.phases:
            sums = [line for line in lines if _is_sum(line)]
            others = [line for line in lines if not _is_sum(line)]
            for kind, colour in ((others, _MAP), (sums, _SUM)):
                if kind:
                    yield partial(self._lines, kind, colour, reads)
                    reads = ()

    def _product(self, product: Product) -> None:
        height = _ROW + 2 * _PAD
        turned = product.left.endswith(".T")
        reads = [product.left.removesuffix(".T"), *([product.right] if turned else [])]
        self._reads(reads, self.y, height)
        self.box(_BOX, self.y, _BOX_WIDTH, height, _PRODUCT)
        middle = self.y + height / 2
        self.code(_BOX + 0.15, middle, product.equation)
        size = f"{product.size} × {product.columns}"
        self.code(_BOX + _BOX_WIDTH - 0.15, middle, size, side="right", colour=_PRODUCT.edge)
        self.y += height

    def _lines(self, lines: Sequence[Line], colour: _Colour, reads: Sequence[str]) -> None:
        rows = [textwrap.wrap(line.equation, _LETTERS, subsequent_indent="    ") for line in lines]
        height = _ROW * sum(map(len, rows)) + 2 * _PAD
        top = self.y
        self._reads(reads, top, height)
        self.box(_BOX, top, _BOX_WIDTH, height, colour)
        y = top + _PAD + _ROW / 2
        for line, texts in zip(lines, rows, strict=True):
            for text in texts:
                self.code(_BOX + 0.15, y, text)
                y += _ROW
            self._note(line, y - _ROW)
        self.y = top + height

    def _note(self, line: Line, y: float) -> None:
        """Where a value goes, as a chip beside its line."""
        words = "; ".join(map(str, line.notes)) or ("added up over all steps" if line.adds else "")
        if not words:
            return
        saved = any(note.words.startswith("saved") for note in line.notes)
        colour = _STATE if _is_handed_on(line) else _SAVED if saved else _PLAIN
        self._arrow((_BOX + _BOX_WIDTH + 0.04, y), (_NOTES - 0.04, y), colour.edge)
        self.box(_NOTES, y - 0.088, 0.16 + 0.0655 * len(words), 0.176, colour)
        self.text(_NOTES + 0.09, y, words, size=7.3)

    def _reads(self, names: Sequence[str], top: float, height: float) -> None:
        """What a box reads from memory, at its left."""
        if not names:
            return
        rows = textwrap.wrap(", ".join(names), 26, break_on_hyphens=False)
        middle = top + height / 2
        self._arrow((_BOX - 0.32, middle), (_BOX - 0.04, middle), _PALE)
        y = middle - (len(rows) - 1) * 0.075
        for row in rows:
            self.text(_BOX - 0.38, y, row, size=7.6, side="right")
            y += 0.15

    def _legend(self) -> None:
        kinds = [
            (_PRODUCT, "product with a weight matrix"),
            (_STATE, "handed to another step"),
            (_MAP, "element by element, in registers"),
            (_SAVED, "saved for the backward pass"),
            (_SUM, "sum over features"),
            (_PLAIN, "stored or added up"),
        ]
        for place, (colour, words) in enumerate(kinds):
            x, y = 5.75 + 2.4 * (place // 2), self.y + 0.02 + 0.26 * (place % 2)
            self.box(x, y - 0.07, 0.2, 0.14, colour)
            self.text(x + 0.28, y, words, size=8, colour=_PALE)

    # ---- strokes

    def box(
        self, x: float, y: float, width: float, height: float, colour: _Colour, *, layer: int = 2
    ) -> None:
        from matplotlib.patches import FancyBboxPatch

        style = f"round,pad=0,rounding_size={0.07 if layer else 0.1}"
        patch = FancyBboxPatch(
            (x, y), width, height, boxstyle=style, facecolor=colour.face, edgecolor=colour.edge,
            linewidth=0.9, zorder=layer,
        )  # fmt: skip
        self.axes.add_patch(patch)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float,
        colour: str = _INK,
        side: str = "left",
        **font: str,
    ) -> None:
        self.axes.text(
            x,
            y,
            words,
            fontsize=size,
            color=colour,
            ha=side,
            va="center_baseline",
            zorder=4,
            **font,
        )

    def code(
        self, x: float, y: float, words: str, *, side: str = "left", colour: str = _INK
    ) -> None:
        self.text(x, y, words, size=_SIZE, colour=colour, side=side, family="monospace")

    def _down(self, start: float, end: float, *, wide: bool = False, colour: str = _PALE) -> None:
        middle = _BOX + _BOX_WIDTH / 2
        self._arrow((middle, start), (middle, end), colour, width=2.4 if wide else 1.1)

    def _arrow(
        self, start: tuple[float, float], end: tuple[float, float], colour: str, width: float = 0.9
    ) -> None:
        shape = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", end, start, arrowprops=shape, zorder=3)

    def _around(self, x: float, top: float, bottom: float) -> None:
        """The way back to the top of a loop."""
        self.axes.plot([x + 0.06, x, x], [bottom, bottom, top + 0.1], color=_STATE.edge, lw=1.6)
        self._arrow((x, top + 0.12), (x, top - 0.02), _STATE.edge, width=1.6)


def _lines_of(segments: Sequence[Segment]) -> Iterator[Line]:
    return (line for segment in segments for phase in segment.phases for line in phase)


def _is_handed_on(line: Line) -> bool:
    """Whether another step reads the value: a state, or the gradient of one."""
    return line.name.base.startswith(("next_", "d_previous_"))


def _is_sum(line: Line) -> bool:
    """Whether a line is a sum over features, for which the next phase waits."""
    return line.formula is not None and line.formula.text.startswith("sum(")
