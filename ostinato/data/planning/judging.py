"""How good answers are, beside the best known and beside simple rules."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ostinato.data.planning.heuristics import farthest_insertion, nearest_neighbour, tour_lengths
from ostinato.data.planning.problems import Answer, Points, Problem, signed_area

_SAME_LENGTH = 1e-6


def judge(
    problem: Problem,
    points: Sequence[Points],
    answers: Sequence[Answer],
    best: Sequence[Answer],
) -> dict[str, float]:
    """The figures of answers.

    Args:
        problem: that they answer.
        points: of each instance.
        answers: in normal form.
        best: the best known answers, in normal form.

    Returns:
        accuracy: share of answers that are the best (for tours: as short, to one in a million).
        area, coverage, length or in_place: of a hull the share of the exact area, over valid
            answers; of a triangulation the share of the exact triangles found; of a tour its mean
            length; of sorting the share of places with the right number.
        optimality_gap: what that lacks to the best, as a share; of tours the mean excess length.
        valid: share of answers that are simple polygons, triangulations without overlap, tours or
            orders.
        instances.
    """
    judged = [_JUDGES[problem.name](*one) for one in zip(points, answers, best, strict=True)]
    accuracy, measure, gap, valid = np.array(judged, dtype=np.float64).T
    counted = valid > 0 if problem.name == "convex-hull" else np.ones(len(valid), dtype=bool)
    return {
        "accuracy": float(accuracy.mean()),
        problem.measure: float(measure[counted].mean()) if counted.any() else 0.0,
        "optimality_gap": float(gap[counted].mean()) if counted.any() else 1.0,
        "valid": float(valid.mean()),
        "instances": len(points),
    }


def compare_tours(points: Sequence[Points], best: Sequence[Answer]) -> dict[str, float]:
    """Mean lengths of the best known tours and of two simple rules on the same instances."""
    return {
        "best_length": _mean_length(points, best),
        "nearest_neighbour_length": _mean_length(points, _each(nearest_neighbour, points)),
        "farthest_insertion_length": _mean_length(points, _each(farthest_insertion, points)),
    }


def _mean_length(points: Sequence[Points], tours: Sequence[Answer]) -> float:
    return float(np.mean([_length(*pair) for pair in zip(points, tours, strict=True)]))


def _each(rule, points: Sequence[Points]) -> list[Answer]:
    return [rule(one[None])[0] for one in points]


def _length(points: Points, tour: Answer) -> float:
    return float(tour_lengths(points[None], tour[None])[0])


def _judge_hull(points: Points, answer: Answer, best: Answer) -> tuple[float, ...]:
    corners = points[answer]
    exact = signed_area(points[best])
    valid = len(answer) >= 3 and signed_area(corners) > 0 and not _crosses(_ring(answer), points)
    area = signed_area(corners) / exact if valid else 0.0
    return np.array_equal(answer, best), area, 1 - area, valid


def _judge_triangles(points: Points, answer: Answer, best: Answer) -> tuple[float, ...]:
    exact = {tuple(row) for row in best.tolist()}
    found = {tuple(row) for row in answer.tolist()}
    coverage = len(exact & found) / len(exact)
    pairs = np.sort(answer[:, [0, 1, 0, 2, 1, 2]].reshape(-1, 2), 1)
    area = sum(abs(signed_area(points[row])) for row in answer)
    whole = sum(abs(signed_area(points[row])) for row in best)
    valid = not _crosses(np.unique(pairs, axis=0), points) and area <= whole * (1 + 1e-6)
    return found == exact, coverage, 1 - coverage, valid


def _judge_tour(points: Points, answer: Answer, best: Answer) -> tuple[float, ...]:
    length, shortest = _length(points, answer), _length(points, best)
    valid = np.array_equal(np.sort(answer), np.arange(len(points)))
    return length <= shortest * (1 + _SAME_LENGTH), length, length / shortest - 1, valid


def _judge_order(points: Points, answer: Answer, best: Answer) -> tuple[float, ...]:
    share = float((answer == best).mean()) if len(answer) == len(best) else 0.0
    valid = np.array_equal(np.sort(answer), np.arange(len(points)))
    return share == 1, share, 1 - share, valid


_JUDGES = {
    "convex-hull": _judge_hull,
    "delaunay": _judge_triangles,
    "tsp": _judge_tour,
    "sort": _judge_order,
}


def _ring(corners: Answer) -> Answer:
    """The edges of a polygon: (corners, 2)."""
    return np.stack([corners, np.roll(corners, -1)], 1)


def _crosses(edges: Answer, points: Points) -> bool:
    """Whether two edges (edges, 2), rows of `points`, cross between their ends."""
    starts, ends = points[edges[:, 0]], points[edges[:, 1]]
    sides = _sides(starts, ends, starts) * _sides(starts, ends, ends)
    apart = (edges[:, None, :, None] != edges[None, :, None, :]).all((2, 3))
    return bool(((sides < 0) & (sides.T < 0) & apart).any())


def _sides(starts: Points, ends: Points, others: Points) -> NDArray[np.float64]:
    """(edges, points): on which side of each edge each of `others` lies."""
    along = ends - starts
    towards = others[None] - starts[:, None]
    return np.sign(along[:, None, 0] * towards[..., 1] - along[:, None, 1] * towards[..., 0])
