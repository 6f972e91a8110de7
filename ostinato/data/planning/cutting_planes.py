"""Shortest tours, exactly: an integer programme, cut wherever it falls into parts.

    minimise  sum_e d_e x_e         with  x_e in {0, 1}, an entry for each pair of points
    such that sum of x_e at each point                    = 2
              sum of x_e between a set S and the others  >= 2     for every set S

There are too many sets to write them all down: a constraint is added when the solution breaks it,
first to the relaxed programme, whose x_e may be fractions, then to the whole one. The solver is
HiGHS, through scipy.

Source: Dantzig, Fulkerson and Johnson 1954.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.planning.heuristics import distances_between
from ostinato.data.planning.problems import Answer, Points
from ostinato.errors import DataError, missing_extra

_SCALE = 1e4
"""The longest distance in the programme: the solver stops within 1e-6 of the least sum."""
_NONE = 1e-6
"""An x_e below this is none; a constraint counts as broken by more than this."""

_Weights = NDArray[np.float64]


class _Pairs(NamedTuple):
    """Every pair of points once: its ends (pairs,), and its distance."""

    first: Answer
    second: Answer
    distances: _Weights


def proven_tour(points: Points) -> Answer:
    """The shortest tour, from row 0 on.

    20 points take some hundredths of a second, 50 about one.

    Args:
        points: (points, coordinates), at least 4.

    Raises:
        MissingExtraError: scipy is needed and not installed.
        DataError: the solver gave up.

    Example:
        >>> proven_tour(np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])).tolist()
        [0, 2, 1, 3]
    """
    count = len(points)
    first, second = np.triu_indices(count, 1)
    (distances,) = distances_between(points[None])
    weights = distances[first, second]
    pairs = _Pairs(first, second, weights / weights.max() * _SCALE)
    cuts: list[_Weights] = []
    for whole in (False, True):
        while True:
            solution = _solve(pairs, count, cuts, whole=whole)
            broken = _broken(pairs, count, solution)
            if not broken:
                break
            cuts += broken
    return _walk(pairs, count, solution)


def _solve(pairs: _Pairs, count: int, cuts: list[_Weights], *, whole: bool) -> _Weights:
    """The x_e of the least sum under the cuts so far."""
    optimize, sparse = _scipy()
    number = len(pairs.distances)
    ends = np.concatenate([pairs.first, pairs.second])
    both = np.tile(np.arange(number), 2)
    at_points = sparse.coo_array((np.ones(2 * number), (ends, both)), shape=(count, number))
    constraints = [optimize.LinearConstraint(at_points.tocsr(), 2, 2)]
    if cuts:
        constraints.append(optimize.LinearConstraint(np.array(cuts), 2, np.inf))
    found = optimize.milp(
        pairs.distances,
        constraints=constraints,
        bounds=optimize.Bounds(0, 1),
        integrality=np.full(number, int(whole)),
        options={"mip_rel_gap": 0},
    )
    if found.x is None or found.status != 0:
        raise DataError(f"no shortest tour through {count} points was found: {found.message}")
    return found.x


def _broken(pairs: _Pairs, count: int, solution: _Weights) -> list[_Weights]:
    """Constraints that the solution breaks, of the parts into which it falls.

    Parts are what hangs together by any x_e, and by those of a half and more.
    """
    found = {}
    for least in (_NONE, 0.5 - _NONE):
        parts = _parts(pairs, count, solution > least)
        for part in range(parts.max() + 1):
            inside = parts == part
            across = (inside[pairs.first] != inside[pairs.second]).astype(np.float64)
            if 0 < inside.sum() < count and across @ solution < 2 - _NONE:
                found[across.tobytes()] = across
    return list(found.values())


def _parts(pairs: _Pairs, count: int, joined: NDArray[np.bool_]) -> Answer:
    """For each point the number of the part it is in (points,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = pairs.first[joined], pairs.second[joined]
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _walk(pairs: _Pairs, count: int, solution: _Weights) -> Answer:
    """The tour that the solution's pairs make."""
    taken = solution > 0.5
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for one, other in zip(pairs.first[taken].tolist(), pairs.second[taken].tolist(), strict=True):
        neighbours[one].append(other)
        neighbours[other].append(one)
    tour, before = [0], -1
    while len(tour) < count:
        here = tour[-1]
        following = next(point for point in neighbours[here] if point != before)
        before = here
        tour.append(following)
    return np.array(tour, dtype=np.int64)


def _scipy() -> tuple[Any, Any]:
    try:
        from scipy import optimize, sparse
    except ImportError as problem:
        raise missing_extra("scipy", "planning") from problem
    return optimize, sparse
