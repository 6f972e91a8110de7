"""The planning problems: what an answer is, and how it is written as pointers.

    convex-hull   the corners, counter-clockwise from the one with the lowest number
    delaunay      triangles, each i < j < k, in rising order
    tsp           a tour through all points from the first, counter-clockwise as a whole
    sort          all numbers, from the least to the greatest

An answer is an array of row numbers counted from 0; of a triangulation one with three columns. As
pointers it is a sequence that a network can give: counted from 1, a hull closed by its first
corner, a triangulation ended by 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import DataError

Points = NDArray[np.float64]
Answer = NDArray[np.int64]

END = 0
"""The pointer that ends a triangulation, and pads all others."""


@dataclass(frozen=True)
class Problem:
    """One problem: its name, coordinates of a point, least points, and what answers are judged by.

    `measure` is the figure beside the accuracy; `answer` says in words what an answer is.
    """

    name: str
    coordinates: int
    least_points: int
    measure: str
    answer: str


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("convex-hull", 2, 3, "area", "convex hulls"),
        Problem("delaunay", 2, 3, "coverage", "Delaunay triangulations"),
        Problem("tsp", 2, 3, "length", "shortest tours"),
        Problem("sort", 1, 2, "in_place", "sorted numbers"),
    )
}


def to_pointers(problem: Problem, answer: Answer) -> Answer:
    """The sequence of pointers that a network is to give.

    Example:
        >>> to_pointers(PROBLEMS["convex-hull"], np.array([0, 3, 1])).tolist()
        [1, 4, 2, 1]
        >>> to_pointers(PROBLEMS["delaunay"], np.array([[0, 1, 2]])).tolist()
        [1, 2, 3, 0]
    """
    pointers = answer.reshape(-1) + 1
    if problem.name == "convex-hull":
        return np.append(pointers, pointers[0])
    return np.append(pointers, END) if problem.name == "delaunay" else pointers


def from_pointers(problem: Problem, pointers: Answer) -> Answer:
    """The answer that pointers say, which may be padded with 0; undoes `to_pointers`."""
    rows = pointers[pointers != END] - 1
    if problem.name == "delaunay":
        return rows.reshape(-1, 3)
    closed = problem.name == "convex-hull" and len(rows) > 1 and rows[0] == rows[-1]
    return rows[:-1] if closed else rows


def normal_form(problem: Problem, points: Points, answer: Answer) -> Answer:
    """The same answer as the labels have it: of all ways to write it down, the agreed one.

    Args:
        problem: of which this is an answer.
        points: (points, coordinates).
        answer: rows counted from 0.
    """
    if problem.name == "delaunay":
        triangles = np.sort(answer.reshape(-1, 3), 1)
        return triangles[np.lexsort(triangles.T[::-1])]
    if problem.name == "sort" or len(answer) == 0:
        return answer
    answer = np.roll(answer, -int(np.argmin(answer)))
    backwards = signed_area(points[answer]) < 0
    return np.concatenate([answer[:1], answer[:0:-1]]) if backwards else answer


def signed_area(corners: Points) -> float:
    """Of a polygon with `corners` (corners, 2): positive where they go counter-clockwise."""
    # From one of them: far from the origin the products would leave no digits for the area.
    corners = corners - corners[:1]
    following = np.roll(corners, -1, 0)
    return float((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum() / 2)


def refuse_bad_points(problem: Problem, points: Points, places: list[str], where: str) -> None:
    """Raise DataError unless the points can be planned with.

    Args:
        problem: what is to be planned.
        points: (points, coordinates).
        places: where each point stands, as "line 3", for messages.
        where: the file, or another name of the whole.
    """
    if len(points) < problem.least_points:
        raise DataError(
            f"{where} has {len(points)} point{'s' * (len(points) != 1)}; {problem.name} needs at "
            f"least {problem.least_points}"
        )
    bad = ~np.isfinite(points).all(1)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{where}, {places[row]}: the coordinates must be finite numbers, got "
            f"{', '.join(str(value) for value in points[row])}"
        )
    with np.errstate(over="ignore"):
        extent = np.ptp(points, axis=0)
    if not np.isfinite(extent).all():
        raise DataError(f"{where}: the points lie too far apart: their distances are no numbers")
    _, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
    repeated = first[inverse.reshape(-1)] != np.arange(len(points))
    if repeated.any():
        row = int(repeated.argmax())
        raise DataError(
            f"{where}, {places[row]}: the same point as {places[int(first[inverse.flat[row]])]}; "
            "give every point once"
        )
    if problem.name in ("convex-hull", "delaunay") and _on_a_line(points):
        raise DataError(f"{where}: all points lie on one line, so that there is no {problem.name}")


def to_unit_square(points: Points) -> tuple[Points, float]:
    """The points moved and scaled, alike in all directions, to fill the unit square; their extent.

    A network always sees points so; places and sizes are thereby all the same to it.
    """
    low = points.min(0)
    extent = float((points.max(0) - low).max())
    return (points - low) / extent, extent


def _on_a_line(points: Points) -> bool:
    square, _ = to_unit_square(points)
    offsets = square - square[0]
    farthest = offsets[np.argmax((offsets**2).sum(1))]
    return float(np.abs(farthest[0] * offsets[:, 1] - farthest[1] * offsets[:, 0]).max()) < 1e-6
