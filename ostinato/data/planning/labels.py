"""The answers that a network is trained on, and those it is judged by."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ostinato.data.planning.cutting_planes import proven_tour
from ostinato.data.planning.held_karp import shortest_tours
from ostinato.data.planning.local_search import two_opt
from ostinato.data.planning.problems import Answer, Points, Problem, normal_form, to_unit_square
from ostinato.errors import missing_extra

EXACT_IN_TRAINING = 13
"""Points up to which a tour to train on is the shortest one; above it is that of `two_opt`."""
EXACT_IN_TESTS = 50
"""Points up to which a tour to be judged by is the shortest one; above it is that of fast-tsp."""
_SEARCH_S = 1.0
_LARGEST_DISTANCE = 65_535


def training_answers(problem: Problem, points: Sequence[Points]) -> list[Answer]:
    """An answer to learn from for each instance: the same ones whenever they are asked for.

    Exact, but for tours of more than `EXACT_IN_TRAINING` points, which are those of `two_opt`.
    """
    return _answers(problem, points, _training_tours)


def best_answers(problem: Problem, points: Sequence[Points]) -> list[Answer]:
    """The best answer known for each instance.

    Exact, but for tours of more than `EXACT_IN_TESTS` points, which the library fast-tsp searches
    for a second each.

    Args:
        problem: what to answer.
        points: of each instance (points, coordinates).

    Raises:
        MissingExtraError: scipy or fast-tsp is needed and not installed.
    """
    return _answers(problem, points, _best_tours)


def how_good(problem: Problem, most_points: int) -> str:
    """In a word, what `best_answers` gives for up to so many points."""
    if problem.name == "tsp" and most_points > EXACT_IN_TESTS:
        return f"best known (fast-tsp, a heuristic, above {EXACT_IN_TESTS} points)"
    return "exact"


def how_good_in_training(problem: Problem, most_points: int) -> str:
    """In a word, what `training_answers` gives for up to so many points."""
    if problem.name == "tsp" and most_points > EXACT_IN_TRAINING:
        return f"good tours (2-opt and Or-opt, a heuristic, above {EXACT_IN_TRAINING} points)"
    return "exact"


def _answers(
    problem: Problem,
    points: Sequence[Points],
    tours: Callable[[Points], Answer],
) -> list[Answer]:
    if problem.name == "tsp":
        found = _by_size(points, tours)
    else:
        # In the unit square: far from the origin scipy's triangulations are not exact.
        found = [_SOLVERS[problem.name](to_unit_square(one)[0]) for one in points]
    return [normal_form(problem, one, rows) for one, rows in zip(points, found, strict=True)]


def _by_size(points: Sequence[Points], tours: Callable[[Points], Answer]) -> list[Answer]:
    """Instances of one size go together."""
    sizes = np.array([len(one) for one in points])
    found: list[Answer] = [np.empty(0, dtype=np.int64)] * len(points)
    for size in set(sizes.tolist()):
        places = np.flatnonzero(sizes == size).tolist()
        together = tours(np.stack([points[place] for place in places]))
        for place, tour in zip(places, together, strict=True):
            found[place] = tour
    return found


def _training_tours(points: Points) -> Answer:
    return shortest_tours(points) if points.shape[1] <= EXACT_IN_TRAINING else two_opt(points)


def _best_tours(points: Points) -> Answer:
    count = points.shape[1]
    if count <= EXACT_IN_TRAINING:  # many at once
        return shortest_tours(points)
    find = proven_tour if count <= EXACT_IN_TESTS else _searched_tour
    return np.stack([find(one) for one in points])


def _searched_tour(points: Points) -> Answer:
    try:
        import fast_tsp
    except ImportError as problem:
        raise missing_extra("fast-tsp", "planning") from problem
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    whole = np.rint(distances / distances.max() * _LARGEST_DISTANCE).astype(np.int64)
    return np.array(fast_tsp.find_tour(whole, _SEARCH_S), dtype=np.int64)


def _hull(points: Points) -> Answer:
    return _scipy_spatial().ConvexHull(points).vertices.astype(np.int64)


def _delaunay(points: Points) -> Answer:
    return _scipy_spatial().Delaunay(points).simplices.astype(np.int64)


def _sorted(points: Points) -> Answer:
    return np.argsort(points[:, 0], kind="stable")


def _scipy_spatial() -> Any:
    try:
        from scipy import spatial
    except ImportError as problem:
        raise missing_extra("scipy", "planning") from problem
    return spatial


_SOLVERS: dict[str, Callable[[Points], Answer]] = {
    "convex-hull": _hull,
    "delaunay": _delaunay,
    "sort": _sorted,
}
