"""Shortest tours, exactly: Held and Karp's dynamic programme, for many instances at once.

    D(S, j) = min over i in S - {j} of D(S - {j}, i) + d(i, j),      D({j}, j) = d(0, j)
    shortest = min over j of D(all, j) + d(j, 0)

D(S, j) is the shortest way from point 0 through all of S that ends at j in S; S is a set of the
points 1 to n - 1, written as a binary number. Sets of one size depend only on those one smaller, so
that each size is one pass over arrays.

Source: Held and Karp 1962; Bellman 1962.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ostinato.data.planning.problems import Answer, Points
from ostinato.errors import DataError

MOST_POINTS = 20
_INSTANCE_NUMBERS = 4_000_000
"""Entries of D held at once: as many instances go together as fit."""


def shortest_tours(points: Points) -> Answer:
    """An optimal tour through each instance.

    Args:
        points: (instances, points, coordinates), at least 2 points and at most `MOST_POINTS`.

    Returns:
        Rows in order (instances, points), from row 0 on.

    Raises:
        DataError: too many points.

    Example:
        >>> square = np.array([[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> shortest_tours(square).tolist()
        [[0, 3, 1, 2]]
    """
    count = points.shape[1]
    if count > MOST_POINTS:
        raise DataError(
            f"exact tours are found for at most {MOST_POINTS} points, got {count}: the work "
            "doubles with every point"
        )
    if count < 4:
        return np.tile(np.arange(count), (len(points), 1))
    together = max(1, _INSTANCE_NUMBERS // (count << (count - 1)))
    groups = range(0, len(points), together)
    return np.concatenate([_solve(points[start : start + together]) for start in groups])


def _solve(points: Points) -> Answer:
    distances = np.sqrt(((points[:, :, None] - points[:, None]) ** 2).sum(-1))
    distances = np.ascontiguousarray(distances.transpose(1, 2, 0))  # instances last: contiguous
    return _way_back(_table(distances), distances)


def _table(distances: Points) -> Points:
    """D as (sets, last point, instances); infinite where the last point is not in the set."""
    others, instances = distances.shape[0] - 1, distances.shape[2]
    table = np.full((1 << others, others, instances), np.inf)
    for last in range(others):
        table[1 << last, last] = distances[0, last + 1]
    between = distances[1:, 1:]
    for sets in _sets_by_size(others)[2:]:
        for last in range(others):
            holding = sets[(sets >> last) & 1 == 1]
            table[holding, last] = _shortest_over(table, holding ^ (1 << last), between[last])
    return table


def _shortest_over(table: Points, sets: Answer, to_last: Points) -> Points:
    """min over i of D(S, i) + d(i, last), for each of `sets`: (sets, instances)."""
    best = table[sets, 0] + to_last[0]
    for point in range(1, table.shape[1]):
        np.minimum(best, table[sets, point] + to_last[point], out=best)
    return best


@lru_cache(maxsize=4)
def _sets_by_size(points: int) -> tuple[NDArray[np.int64], ...]:
    """The sets of so many points, by their size."""
    sets = np.arange(1 << points)
    sizes = sum((sets >> bit) & 1 for bit in range(points))
    return tuple(sets[sizes == size] for size in range(points + 1))


def _way_back(table: Points, distances: Points) -> Answer:
    """The tours, from their ends to their beginnings."""
    others, instances = table.shape[1:]
    rows = np.arange(instances)
    sets = np.full(instances, table.shape[0] - 1)
    last = np.zeros(instances, dtype=np.int64)  # point 0, to which the tour returns
    tour = np.zeros((instances, others + 1), dtype=np.int64)
    for place in range(others, 0, -1):
        ways = table[sets, :, rows] + distances[1:, :, rows].transpose(2, 0, 1)[rows, :, last]
        chosen = ways.argmin(1)
        tour[:, place] = last = chosen + 1
        sets = sets ^ (1 << chosen)
    return tour
