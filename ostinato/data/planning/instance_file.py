"""Instances as text, one a line, in the format of Vinyals 2015.

    x y x y x y ... output i j k ...

Pointers are counted from 1; hulls and tours are closed by the point they began at. A sorting
problem has one number a point. A line without `output` is an instance without an answer.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data.planning.problems import (
    Answer,
    Points,
    Problem,
    normal_form,
    refuse_bad_points,
    signed_area,
    to_pointers,
)
from ostinato.errors import DataError

_OUTPUT = "output"


class Instance(NamedTuple):
    """`points` (points, coordinates) and their `answer`, rows counted from 0; None: not known."""

    points: Points
    answer: Answer | None


def read_instances(path: Path, problem: Problem) -> list[Instance]:
    """All instances of a file, their answers in normal form; empty lines are passed over.

    Raises:
        DataError: a line that is no instance of the problem; names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    found = [
        _read_line(line, problem, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not found:
        raise DataError(f"{path} holds no instances")
    return found


def format_instances(problem: Problem, points: Iterable[Points], answers: Iterable[Answer]) -> str:
    """The text of a file, each number written so that it is read back exactly."""
    return "".join(
        " ".join(
            [
                *(repr(float(value)) for value in one.reshape(-1)),
                _OUTPUT,
                *map(str, _written(problem, answer).tolist()),
            ]
        )
        + "\n"
        for one, answer in zip(points, answers, strict=True)
    )


def _written(problem: Problem, answer: Answer) -> Answer:
    """As the files have it: a tour is closed, and nothing ends a triangulation."""
    pointers = to_pointers(problem, answer)
    if problem.name == "tsp":
        return np.append(pointers, pointers[0])
    return pointers[:-1] if problem.name == "delaunay" else pointers


def _read_line(line: str, problem: Problem, where: str) -> Instance:
    left, separator, right = line.partition(_OUTPUT)
    numbers = _numbers(left.split(), where)
    if len(numbers) % problem.coordinates:
        raise DataError(
            f"{where}: {len(numbers)} numbers before {_OUTPUT!r} are no whole points of "
            f"{problem.coordinates} coordinates"
        )
    points = numbers.reshape(-1, problem.coordinates)
    places = [f"point {number}" for number in range(1, len(points) + 1)]
    refuse_bad_points(problem, points, places, where)
    if not separator:
        return Instance(points, None)
    return Instance(points, _answer(right.split(), problem, points, where))


def _numbers(words: Sequence[str], where: str) -> Points:
    found = []
    for word in words:
        try:
            found.append(float(word))
        except ValueError:
            raise DataError(
                f"{where}: {word!r} is no number; an instance is a line of numbers parted by "
                f"spaces, as `x y x y ... {_OUTPUT} i j ...`"
            ) from None
    return np.array(found)


def _answer(words: Sequence[str], problem: Problem, points: Points, where: str) -> Answer:
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise DataError(f"{where}: {wrong[0]!r} after {_OUTPUT!r} is not the number of a point")
    rows = np.array([int(word) for word in words], dtype=np.int64) - 1
    if len(rows) == 0 or rows.min() < 0 or rows.max() >= len(points):
        raise DataError(
            f"{where}: the numbers after {_OUTPUT!r} must be from 1 to {len(points)}, the points "
            f"of the line; got {' '.join(words) or 'none'}"
        )
    if problem.name in ("convex-hull", "tsp") and len(rows) > 1 and rows[0] == rows[-1]:
        rows = rows[:-1]
    _refuse_no_answer(rows, problem, points, where)
    return normal_form(problem, points, rows)


def _refuse_no_answer(rows: Answer, problem: Problem, points: Points, where: str) -> None:
    if problem.name == "delaunay":
        if len(rows) % 3:
            raise DataError(f"{where}: {len(rows)} numbers after {_OUTPUT!r} are no triangles")
        return
    if len(np.unique(rows)) != len(rows):
        raise DataError(f"{where}: the answer names a point twice")
    if problem.name == "convex-hull" and (len(rows) < 3 or signed_area(points[rows]) == 0):
        raise DataError(f"{where}: the answer is no polygon")
    if problem.name in ("tsp", "sort") and len(rows) != len(points):
        raise DataError(
            f"{where}: the answer names {len(rows)} of the {len(points)} points, and must name all"
        )
