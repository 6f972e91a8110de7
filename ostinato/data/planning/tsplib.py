"""Instances of TSPLIB with points, measured as TSPLIB measures; see `tsplib_distances`.

The shortest length known is that of the tour in `NAME.opt.tour` beside an instance, or stands in
the file `solutions` there.

Source: Reinelt 1991 and 1995, TSPLIB.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data.planning.problems import Answer, Points
from ostinato.data.planning.tsplib_distances import DISTANCES, as_plane
from ostinato.errors import DataError


class TspInstance(NamedTuple):
    """An instance.

    Attributes:
        name: of the file.
        kind: of its distances.
        coordinates: (points, 2), as the file has them.
        length: the shortest known; None: not known.
    """

    name: str
    kind: str
    coordinates: Points
    length: int | None

    @property
    def points(self) -> Points:
        """(points, 2), in the plane; what a planner reads."""
        return as_plane(self.kind, self.coordinates)

    def length_of(self, tour: Answer) -> int:
        """The length of a closed tour, rows counted from 0, by the file's own distances."""
        ordered = self.coordinates[tour]
        return int(DISTANCES[self.kind](ordered, np.roll(ordered, -1, 0)).sum())


def read_tsplib(path: Path) -> TspInstance:
    """An instance and, from the files beside it, its best known length.

    Raises:
        DataError: the file is none of TSPLIB, its distances are none of `DISTANCES`, or a tour
            beside it is none of its points.
    """
    lines = _lines(path)
    fields = dict(_field(line) for line in lines if ":" in line)
    kind = fields.get("EDGE_WEIGHT_TYPE")
    if kind not in DISTANCES:
        raise DataError(
            f"{path}: EDGE_WEIGHT_TYPE must be one of {', '.join(DISTANCES)}, got {kind or 'none'}"
            + ("; a planner reads points, not a table of distances" if kind == "EXPLICIT" else "")
        )
    points = _coordinates(lines, path)
    if str(len(points)) != fields.get("DIMENSION"):
        raise DataError(
            f"{path}: DIMENSION is {fields.get('DIMENSION')}, but it holds {len(points)} points"
        )
    instance = TspInstance(path.stem, kind, points, None)
    known = [_known_length(path), _length_of_tour(path, instance)]
    return instance._replace(length=min((one for one in known if one is not None), default=None))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


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


def _length_of_tour(instance_path: Path, instance: TspInstance) -> int | None:
    """The length of the tour in `NAME.opt.tour`: numbers of points from 1, up to -1."""
    path = instance_path.with_suffix(".opt.tour")
    if not path.is_file():
        return None
    _, section, numbers = " ".join(_lines(path)).partition("TOUR_SECTION")
    words = numbers.replace("EOF", "-1").split()
    tour = words[: words.index("-1")] if "-1" in words else words
    points = len(instance.coordinates)
    if not section or sorted(tour) != sorted(map(str, range(1, points + 1))):
        raise DataError(
            f"{path}: expected a TOUR_SECTION with each number from 1 to {points} once, the points "
            f"of {instance_path.name}"
        )
    return instance.length_of(np.array(tour, dtype=np.int64) - 1)
