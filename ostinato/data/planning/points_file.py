"""A person's own points: a row a point, its coordinates separated by commas."""

import csv
import math
import re
from pathlib import Path

import numpy as np

from ostinato.data.planning.problems import Points, Problem, refuse_bad_points
from ostinato.errors import DataError


def read_points(path: Path, problem: Problem) -> Points:
    """The points of a file (points, coordinates), at any place and of any scale.

    A first row of names, as `x,y`, and empty lines are passed over and are no rows.

    Raises:
        DataError: not a point, a coordinate that is no number, the same point twice, or too few
            points; names file and line.
    """
    rows, places = [], []
    for place, (number, fields) in enumerate(_rows(path)):
        where = f"{path}, line {number}"
        values = [_number(field) for field in fields]
        _refuse_other_separators(fields, where)
        if place == 0 and all(value is None for value in values):
            continue
        if len(fields) != problem.coordinates:
            raise DataError(
                f"{where}: a point of {problem.name} has {problem.coordinates} "
                f"coordinate{'s' * (problem.coordinates > 1)} and nothing else, got "
                f"{len(fields)} columns: {','.join(fields)}"
            )
        for field, value in zip(fields, values, strict=True):
            if value is None or not math.isfinite(value):
                raise DataError(f"{where}: a coordinate must be a finite number, got {field!r}")
        rows.append(values)
        places.append(f"line {number}")
    points = np.array(rows, dtype=np.float64).reshape(-1, problem.coordinates)
    refuse_bad_points(problem, points, places, str(path))
    return points


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not empty: their numbers from 1, and their fields."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    fields = [[field.strip() for field in line] for line in lines]
    return [(number, line) for number, line in enumerate(fields, start=1) if any(line)]


def _refuse_other_separators(fields: list[str], where: str) -> None:
    """Raise DataError where one column holds several numbers: they are not parted by commas."""
    for field in fields:
        words = re.split(r"[;\s]+", field)
        if len(words) > 1 and all(_number(word) is not None for word in words):
            raise DataError(
                f"{where}: coordinates are separated by a comma, as {','.join(words)}; "
                f"got {field!r}"
            )


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None
