"""Answers proved by brute force, from what they mean."""

from itertools import combinations, permutations

import numpy as np
import pytest

from ostinato.data.planning.cutting_planes import proven_tour
from ostinato.data.planning.held_karp import shortest_tours
from ostinato.data.planning.heuristics import (
    farthest_insertion,
    nearest_neighbour,
    tour_lengths,
)
from ostinato.data.planning.labels import best_answers, training_answers
from ostinato.data.planning.local_search import two_opt
from ostinato.data.planning.problems import (
    PROBLEMS,
    from_pointers,
    normal_form,
    signed_area,
    to_pointers,
)
from ostinato.errors import DataError

CHANCE = np.random.default_rng(0)


def side(start: np.ndarray, end: np.ndarray, other: np.ndarray) -> float:
    """Above 0 where `other` lies left of the way from `start` to `end`."""
    (a, b), (c, d) = end - start, other - start
    return a * d - b * c


def hull_by_edges(points: np.ndarray) -> list[int]:
    """Corners from the edges that have every other point on their left."""
    rows = range(len(points))
    following = {
        i: j
        for i, j in permutations(rows, 2)
        if all(side(points[i], points[j], points[k]) > 0 for k in rows if k not in (i, j))
    }
    corners = [min(following)]
    while following[corners[-1]] != corners[0]:
        corners.append(following[corners[-1]])
    return corners


def triangles_by_circles(points: np.ndarray) -> list[tuple[int, ...]]:
    """Triangles within whose circumcircle no other point lies."""
    return [t for t in combinations(range(len(points)), 3) if is_empty(points, t)]


def is_empty(points: np.ndarray, triangle: tuple[int, ...]) -> bool:
    corners = points[list(triangle)]
    sums = 2 * (corners[1:] - corners[0])
    squares = (corners**2).sum(1)
    centre = np.linalg.solve(sums, squares[1:] - squares[0])
    radius = np.linalg.norm(corners[0] - centre)
    others = [row for row in range(len(points)) if row not in triangle]
    return all(np.linalg.norm(points[row] - centre) > radius for row in others)


def test_hulls_are_those_of_brute_force() -> None:
    points = [CHANCE.random((count, 2)) for count in (3, 4, 5, 8, 12) for _ in range(10)]
    found = training_answers(PROBLEMS["convex-hull"], points)
    assert [answer.tolist() for answer in found] == [hull_by_edges(one) for one in points]


def test_triangulations_are_those_of_empty_circles() -> None:
    points = [CHANCE.random((count, 2)) for count in (3, 5, 8) for _ in range(10)]
    found = training_answers(PROBLEMS["delaunay"], points)
    expected = [triangles_by_circles(one) for one in points]
    assert [[tuple(row) for row in answer.tolist()] for answer in found] == expected


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7])
def test_tours_are_those_of_brute_force(count: int) -> None:
    points = CHANCE.random((6, count, 2))
    ways = np.array([(0, *rest) for rest in permutations(range(1, count))])
    every = np.stack([tour_lengths(points, np.tile(way, (6, 1))) for way in ways])
    found = tour_lengths(points, shortest_tours(points))
    np.testing.assert_allclose(found, every.min(0))


@pytest.mark.parametrize("name", ["convex-hull", "delaunay"])
@pytest.mark.parametrize("place", [5e6, 1e11])
def test_exact_answers_do_not_depend_on_the_place(name: str, place: float) -> None:
    moved = [points + place for points in CHANCE.random((20, 12, 2))]
    near = [points - points.min(0) for points in moved]  # the very same points: exact
    found, expected = (best_answers(PROBLEMS[name], several) for several in (moved, near))
    assert [one.tolist() for one in found] == [one.tolist() for one in expected]


def test_the_area_of_a_far_polygon_is_that_of_a_near_one() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert signed_area(square + 1e12) == signed_area(square) == 1.0


def test_tours_do_not_depend_on_the_other_instances() -> None:
    points = CHANCE.random((5, 9, 2))
    alone = np.concatenate([shortest_tours(points[row : row + 1]) for row in range(5)])
    np.testing.assert_array_equal(shortest_tours(points), alone)


def test_tours_of_too_many_points_are_refused() -> None:
    with pytest.raises(DataError, match="at most 20 points, got 21"):
        shortest_tours(CHANCE.random((1, 21, 2)))


@pytest.mark.parametrize("rule", [nearest_neighbour, farthest_insertion, two_opt])
def test_simple_rules_give_tours_no_shorter_than_the_shortest(rule) -> None:
    points = CHANCE.random((10, 9, 2))
    tours = rule(points)
    np.testing.assert_array_equal(np.sort(tours, 1), np.tile(np.arange(9), (10, 1)))
    shortest = tour_lengths(points, shortest_tours(points))
    assert (tour_lengths(points, tours) >= shortest - 1e-9).all()


def test_two_opt_is_close_to_the_shortest() -> None:
    points = CHANCE.random((40, 11, 2))
    shortest = tour_lengths(points, shortest_tours(points)).mean()
    assert tour_lengths(points, two_opt(points)).mean() < 1.01 * shortest


def test_farthest_insertion_puts_each_point_where_it_costs_least() -> None:
    points = CHANCE.random((6, 10, 2))
    for one, found in zip(points, farthest_insertion(points), strict=True):
        apart = np.sqrt(((one[:, None] - one[None]) ** 2).sum(-1))
        tour = [0, int(apart[0].argmax())]
        while len(tour) < len(one):
            left = [row for row in range(len(one)) if row not in tour]
            point = max(left, key=lambda row: min(apart[row, other] for other in tour))
            costs = [
                apart[before, point] + apart[point, behind] - apart[before, behind]
                for before, behind in zip(tour, tour[1:] + tour[:1], strict=True)
            ]
            tour.insert(int(np.argmin(costs)) + 1, point)
        assert found.tolist() == tour


def _changed_tours(tour: list[int]) -> list[list[int]]:
    """Every tour that one stretch turned round, or one of up to 3 points moved, makes of it."""
    count = len(tour)
    turned = [
        tour[:a] + tour[a:b][::-1] + tour[b:] for a in range(count) for b in range(a + 2, count + 1)
    ]
    rolled = [tour[start:] + tour[:start] for start in range(count)]
    moved = [
        rest[:place] + way + rest[place:]
        for one in rolled
        for size in (1, 2, 3)
        for stretch, rest in [(one[:size], one[size:])]
        for way in (stretch, stretch[::-1])
        for place in range(1, len(rest))
    ]
    return turned + moved


def test_no_small_change_makes_a_tour_of_two_opt_shorter() -> None:
    points = CHANCE.random((8, 9, 2))
    for one, tour in zip(points, two_opt(points), strict=True):
        changed = np.array(_changed_tours(tour.tolist()))
        whole = np.broadcast_to(one, (len(changed), *one.shape))
        length = tour_lengths(one[None], tour[None])[0]
        assert (tour_lengths(whole, changed) >= length - 1e-9).all()


@pytest.mark.parametrize("count", [2, 3, 4, 5, 14])
def test_a_tour_does_not_depend_on_those_it_is_found_with(count: int) -> None:
    points = CHANCE.random((7, count, 2))
    alone = np.concatenate([two_opt(points[row : row + 1]) for row in range(7)])
    np.testing.assert_array_equal(two_opt(points), alone)
    np.testing.assert_array_equal(np.sort(alone, 1), np.tile(np.arange(count), (7, 1)))


@pytest.mark.parametrize("count", [4, 5, 8, 13])
def test_cutting_planes_find_the_tours_of_held_and_karp(count: int) -> None:
    points = CHANCE.random((6, count, 2))
    found = np.stack([proven_tour(one) for one in points])
    np.testing.assert_array_equal(np.sort(found, 1), np.tile(np.arange(count), (6, 1)))
    lengths = [tour_lengths(points, tours) for tours in (found, shortest_tours(points))]
    np.testing.assert_allclose(*lengths, rtol=1e-9)


def _clusters() -> np.ndarray:
    """Four groups far apart: the least sum of pairs falls into parts."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    return (corners[:, None] + 1e-3 * CHANCE.random((4, 3, 2))).reshape(-1, 2)


@pytest.mark.parametrize(
    "points",
    [
        _clusters(),
        np.stack(np.meshgrid(np.arange(4.0), np.arange(3.0)), -1).reshape(-1, 2),
        np.stack([np.arange(9.0), np.zeros(9)], 1),
        np.concatenate([CHANCE.random((11, 2)), [[1e6, 1e6]]]),
    ],
    ids=["clusters", "grid", "line", "one far away"],
)
def test_cutting_planes_find_tours_of_awkward_points(points: np.ndarray) -> None:
    tours = proven_tour(points)[None], shortest_tours(points[None])
    found, expected = (tour_lengths(points[None], tour) for tour in tours)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_no_tour_is_shorter_than_a_proven_one() -> None:
    points = CHANCE.random((3, 30, 2))
    proven = tour_lengths(points, np.stack(best_answers(PROBLEMS["tsp"], list(points))))
    assert (proven <= tour_lengths(points, two_opt(points)) + 1e-9).all()


def test_the_library_finds_no_longer_tours_than_two_opt() -> None:
    points = CHANCE.random((1, 51, 2))
    (found,) = best_answers(PROBLEMS["tsp"], list(points))
    shorter, longer = (tour_lengths(points, t) for t in (found[None], two_opt(points)))
    assert shorter[0] <= longer[0] + 1e-9


def test_numbers_are_sorted() -> None:
    points = CHANCE.random((9, 1))
    (answer,) = training_answers(PROBLEMS["sort"], [points])
    assert points[answer, 0].tolist() == sorted(points[:, 0].tolist())


@pytest.mark.parametrize("name", PROBLEMS)
def test_pointers_say_the_answer(name: str) -> None:
    problem = PROBLEMS[name]
    points = CHANCE.random((8, problem.coordinates))
    (answer,) = training_answers(problem, [points])
    padded = np.append(to_pointers(problem, answer), [0, 0])
    np.testing.assert_array_equal(from_pointers(problem, padded), answer)


def test_normal_form_is_one_of_all_ways_to_write_a_tour() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    ways = [[0, 1, 2, 3], [2, 3, 0, 1], [3, 2, 1, 0], [1, 0, 3, 2]]
    found = [normal_form(PROBLEMS["tsp"], points, np.array(way)).tolist() for way in ways]
    assert found == [[0, 1, 2, 3]] * 4
