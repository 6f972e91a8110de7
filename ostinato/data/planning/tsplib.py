"""Instances of TSPLIB with points in the plane, measured as TSPLIB measures.

A distance is the Euclidean one, rounded to the nearest whole number (EUC_2D). The shortest length
known stands in the file `solutions` beside the instances.

Source: Reinelt 1991 and 1995, TSPLIB.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data.planning.problems import Answer, Points
from ostinato.errors import DataError


class TspInstance(NamedTuple):
    """`points` (points, 2), and the shortest `length` known; None: not known."""

    name: str
    points: Points
    length: int | None


def read_tsplib(path: Path) -> TspInstance:
    """An instance and, from `solutions` beside it, its best known length.

    Raises:
        DataError: the file is none of TSPLIB, or its distances are not those of EUC_2D.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    fields = dict(_field(line) for line in lines if ":" in line)
    kind = fields.get("EDGE_WEIGHT_TYPE")
    if kind != "EUC_2D":
        raise DataError(
            f"{path}: EDGE_WEIGHT_TYPE must be EUC_2D, points in the plane, got {kind or 'none'}"
        )
    points = _coordinates(lines, path)
    if str(len(points)) != fields.get("DIMENSION"):
        raise DataError(
            f"{path}: DIMENSION is {fields.get('DIMENSION')}, but it holds {len(points)} points"
        )
    return TspInstance(path.stem, points, _known_length(path))


def rounded_length(points: Points, tour: Answer) -> int:
    """The length of a closed tour, each distance rounded (EUC_2D)."""
    ordered = points[tour]
    distances = np.sqrt(((ordered - np.roll(ordered, -1, 0)) ** 2).sum(-1))
    return int(np.floor(distances + 0.5).sum())


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _coordinates(lines: list[str], path: Path) -> Points:
    names = [line.strip() for line in lines]
    if "NODE_COORD_SECTION" not in names:
        raise DataError(f"{path}: it has no NODE_COORD_SECTION")
    rows = []
    for number in range(names.index("NODE_COORD_SECTION") + 1, len(lines)):
        words = lines[number].split()
        if not words or words[0] == "EOF" or words[0].endswith("_SECTION"):
            break
        try:
            rows.append([float(word) for word in words[1:]])
        except ValueError:
            raise DataError(f"{path}, line {number + 1}: not a point: {lines[number]}") from None
        if len(rows[-1]) != 2:
            raise DataError(f"{path}, line {number + 1}: not a point: {lines[number]}")
    return np.array(rows).reshape(-1, 2)


def _known_length(path: Path) -> int | None:
    """What `solutions` says of this instance, in a line as `berlin52 : 7542`."""
    solutions = path.with_name("solutions")
    if not solutions.is_file():
        return None
    known = dict(_field(line) for line in solutions.read_text().splitlines() if ":" in line)
    words = known.get(path.stem, "").split()
    return int(words[0]) if words and words[0].isdigit() else None
