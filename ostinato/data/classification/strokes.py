"""Handwriting: drawings as the way of the pen, (dx, dy, lifted) a step.

dx and dy lead from the point before to this one, 0 at the first; lifted is 1 where the pen leaves
the paper after this point, else 0 (Graves 2013, section 4, whose end of stroke this is).

folder     a file a drawing, as Omniglot has them: START, then `x,y` or `x,y,time` a line, BREAK
           behind each stroke; its class is the folder that it lies in
.ndjson    a drawing a line, as Quick, Draw! has them: {"word": class, "drawing": [[xs, ys], ...]}
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.data.pair_reading import read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

FEATURES = ("dx", "dy", "lifted")
_DRAWINGS = ".ndjson"

Stroke = Sequence[tuple[float, float]]


def read_strokes(path: Path, *, labelled: bool, progress: Progress | None = None) -> SampleStream:
    """The drawings of a folder, of one file of points, or of a file of JSON lines.

    Raises:
        DataError: no drawing; a line that is no point, with its file.
    """
    files = [path] if path.is_file() else _files(path)
    sources = [TextSource(str(file), file) for file in files]
    meter = Meter(progress, sources, "reading")

    def samples() -> Iterator[Sample]:
        for file, source in zip(files, sources, strict=True):
            where = file.name if file == path else str(file.relative_to(path))
            lines = read_lines(source, meter)
            if _is_drawings(file):
                yield from _drawings(lines, where, labelled=labelled)
                continue
            label = str(Path(where).parent) if labelled else None
            if label == ".":
                raise DataError(
                    f"{where} lies in no folder that names its class: put the drawings of each "
                    "class into a folder"
                )
            yield Sample(steps_of(_points(lines, where)), label, where)

    return SampleStream(samples(), str(path), FEATURES)


def steps_of(strokes: Iterable[Stroke]) -> NDArray[np.float32]:
    """The way of the pen over all strokes: (points, 3).

    Example:
        >>> steps_of([[(0, 0), (1, 2)], [(1, 5)]]).tolist()
        [[0.0, 0.0, 0.0], [1.0, 2.0, 1.0], [0.0, 3.0, 1.0]]
    """
    drawn = [np.array(stroke, np.float32).reshape(-1, 2) for stroke in strokes if len(stroke)]
    if not drawn:
        return np.zeros((0, 3), np.float32)
    points = np.concatenate(drawn)
    lifted = np.zeros(len(points), np.float32)
    lifted[np.cumsum([len(stroke) for stroke in drawn]) - 1] = 1
    return np.column_stack([np.diff(points, axis=0, prepend=points[:1]), lifted])


def _files(folder: Path) -> list[Path]:
    found = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._"
    )
    if not found:
        raise DataError(f"{folder} holds no file: it needs a folder of drawings for each class")
    return found


def _is_drawings(file: Path) -> bool:
    return Path(file.name.removesuffix(".gz")).suffix.lower() == _DRAWINGS


def _points(lines: Iterable[str], where: str) -> list[list[tuple[float, float]]]:
    strokes: list[list[tuple[float, float]]] = [[]]
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text == "BREAK":
            strokes.append([])
        elif text and text != "START":
            cells = text.split(",")
            try:
                x, y = float(cells[0]), float(cells[1])
            except (ValueError, IndexError):
                x = y = np.nan
            if not np.isfinite(x + y) or len(cells) > 3:
                raise DataError(
                    f"{where}, line {number}: expected a point `x,y` or `x,y,time`, START or "
                    f"BREAK, got {text[:40]!r}"
                )
            strokes[-1].append((x, y))
    return strokes


def _drawings(lines: Iterable[str], where: str, *, labelled: bool) -> Iterator[Sample]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            drawing = json.loads(line)
            strokes = [
                list(zip(stroke[0], stroke[1], strict=True)) for stroke in drawing["drawing"]
            ]
            steps = steps_of(strokes)
        except (ValueError, TypeError, KeyError, IndexError):
            raise DataError(
                f'{place}: expected {{"word": class, "drawing": [[[x, ...], [y, ...]], ...]}}, a '
                "list of x and one of y for each stroke, of the same length"
            ) from None
        if labelled and "word" not in drawing:
            raise DataError(f'{place} has no "word", which names the class')
        yield Sample(steps, str(drawing["word"]) if labelled else None, place)
