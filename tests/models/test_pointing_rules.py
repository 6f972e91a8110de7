"""Who points, even at random, gives a valid answer; and every valid answer can be given."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data.planning.batches import make_batch
from ostinato.data.planning.labels import training_answers
from ostinato.data.planning.problems import PROBLEMS
from ostinato.models.pointing_rules import (
    END,
    PlanarTriangulation,
    PointingRules,
    Triangulation,
    allowed_along,
    rules_for,
)
from ostinato.state import select


def answers(rules: PointingRules, points: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """One answer a sample, each pointer drawn evenly from those allowed."""
    progress, drawn = rules.start(points, lengths), []
    for _ in range(rules.longest(points.shape[1])):
        pointers = torch.multinomial(rules.allowed(progress).float(), 1).squeeze(1)
        progress = rules.advance(progress, pointers)
        drawn.append(pointers)
    assert bool((drawn[-1] == END).all())
    return [[k for k in row if k != END] for row in torch.stack(drawn, 1).tolist()]


def is_convex(corners: np.ndarray) -> bool:
    """Whether all turns go left and add up to one turn."""
    edges = np.roll(corners, -1, 0) - corners
    following = np.roll(edges, -1, 0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    angles = np.arctan2(turns, (edges * following).sum(1))
    return bool((turns > 0).all()) and abs(angles.sum() - 2 * np.pi) < 1e-6


def drawn_points(seed: int, least: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    lengths = torch.randint(least, 9, (16,), generator=chance)
    points = torch.rand(16, int(lengths.max()), 2, generator=chance)
    return points, lengths


def all_answers(rules: PointingRules, points: torch.Tensor, lengths: torch.Tensor) -> set[tuple]:
    """Every answer that the rules allow to the only sample, found step by step."""
    found, ways = set(), [((), rules.start(points, lengths))]
    while ways:
        pointers, progress = ways.pop()
        for choice in rules.allowed(progress)[0].nonzero().flatten().tolist():
            following = (*pointers, choice)
            if choice == END:
                found.add(pointers)
            else:
                ways.append((following, rules.advance(progress, torch.tensor([choice]))))
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_tours_visit_each_point_once_from_the_first(seed: int) -> None:
    points, lengths = drawn_points(seed)
    for tour, length in zip(answers(rules_for("tsp"), points, lengths), lengths, strict=True):
        assert tour[0] == 1
        assert sorted(tour) == list(range(1, int(length) + 1))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_hulls_are_convex_counter_clockwise_and_closed(seed: int) -> None:
    points, lengths = drawn_points(seed)
    for row, hull in enumerate(answers(rules_for("convex-hull"), points, lengths)):
        assert len(hull) >= 4
        assert hull[0] == hull[-1] == min(hull)
        assert len(set(hull)) == len(hull) - 1
        assert max(hull) <= int(lengths[row])
        corners = points[row, np.array(hull[:-1]) - 1].double().numpy()
        assert is_convex(corners)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_triangles_are_rising_and_each_comes_once(seed: int) -> None:
    points, lengths = drawn_points(seed)
    rules = rules_for("delaunay", apart=False)
    for row, pointers in enumerate(answers(rules, points, lengths)):
        triangles = [tuple(pointers[at : at + 3]) for at in range(0, len(pointers), 3)]
        assert all(i < j < k <= int(lengths[row]) for i, j, k in triangles)
        assert triangles == sorted(set(triangles))
        assert 1 <= len(triangles) <= 2 * int(lengths[row]) - 5


def test_every_tour_can_be_given() -> None:
    found = all_answers(rules_for("tsp"), torch.rand(1, 5, 2), torch.tensor([5]))
    assert found == {(1, *rest) for rest in permutations(range(2, 6))}


def test_every_set_of_rising_triangles_can_be_given_where_they_may_overlap() -> None:
    found = all_answers(rules_for("delaunay", apart=False), torch.rand(1, 5, 2), torch.tensor([4]))
    triangles = list(combinations(range(1, 5), 3))
    sets = [chosen for size in (1, 2, 3) for chosen in combinations(triangles, size)]
    assert found == {tuple(k for triangle in chosen for k in triangle) for chosen in sets}


def is_triangulation(points: np.ndarray, triangles: list[tuple[int, ...]]) -> bool:
    """Whether none holds another point, and no two overlap: some side has them on either hand."""
    corners = [points[np.array(triangle) - 1] for triangle in triangles]
    full = [
        points[np.array(sorted(set(range(1, len(points) + 1)) - set(t)), dtype=int) - 1]
        for t in triangles
    ]
    empty = all(
        are_apart(one, other[None])
        for one, all_ in zip(corners, full, strict=True)
        for other in all_
    )
    return empty and all(are_apart(*pair) for pair in combinations(corners, 2))


def are_apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a side of one of two convex shapes (corners, 2) parts them."""
    for shape in (one, other):
        for start, end in zip(shape, np.roll(shape, -1, 0), strict=True):
            across = np.array([start[1] - end[1], end[0] - start[0]])
            mine, theirs = (one - start) @ across, (other - start) @ across
            if across.any() and (
                mine.max() <= 1e-9 + theirs.min() or theirs.max() <= 1e-9 + mine.min()
            ):
                return True
    return False


def test_every_triangulation_without_overlap_can_be_given_and_nothing_else() -> None:
    points = torch.rand(1, 6, 2, generator=torch.Generator().manual_seed(2))
    found = all_answers(rules_for("delaunay"), points, torch.tensor([5]))
    triangles = list(combinations(range(1, 6), 3))
    sets = [chosen for size in range(1, 6) for chosen in combinations(triangles, size)]
    real = points[0, :5].double().numpy()
    right = [chosen for chosen in sets if is_triangulation(real, list(chosen))]
    assert found == {tuple(k for triangle in chosen for k in triangle) for chosen in right}


@pytest.mark.parametrize("seed", range(5))
def test_triangles_drawn_at_random_do_not_overlap(seed: int) -> None:
    points, lengths = drawn_points(seed)
    for row, pointers in enumerate(answers(rules_for("delaunay"), points, lengths)):
        triangles = [tuple(pointers[at : at + 3]) for at in range(0, len(pointers), 3)]
        assert triangles == sorted(set(triangles))
        assert is_triangulation(points[row, : int(lengths[row])].double().numpy(), triangles)


def test_exact_triangulations_can_be_given() -> None:
    problem, chance = PROBLEMS["delaunay"], np.random.default_rng(0)
    points = [chance.random((9, 2)) for _ in range(20)]
    batch = make_batch(problem, points, training_answers(problem, points))
    masks = allowed_along(rules_for("delaunay"), batch.inputs, batch.lengths, batch.targets)
    assert bool(masks.gather(2, batch.targets.unsqueeze(2)).all())


def test_between_very_many_points_triangles_may_overlap() -> None:
    assert type(rules_for("delaunay", points=100)) is PlanarTriangulation
    assert type(rules_for("delaunay", points=101)) is Triangulation


def test_every_polygon_of_distinct_points_can_be_given_where_convexity_is_not_asked_for() -> None:
    rules = rules_for("convex-hull", convex=False)
    found = all_answers(rules, torch.rand(1, 5, 2), torch.tensor([4]))
    polygons = [p for size in (3, 4) for p in permutations(range(1, 5), size) if p[0] == min(p)]
    assert found == {(*polygon, polygon[0]) for polygon in polygons}


def test_every_convex_polygon_can_be_given() -> None:
    points = torch.rand(1, 6, 2)
    found = all_answers(rules_for("convex-hull"), points, torch.tensor([6]))
    shapes = [p for size in range(3, 7) for p in permutations(range(1, 7), size) if p[0] == min(p)]
    convex = [p for p in shapes if is_convex(points[0, np.array(p) - 1].double().numpy())]
    assert found == {(*polygon, polygon[0]) for polygon in convex}


def test_points_on_a_line_are_never_three_corners() -> None:
    line = torch.tensor([[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0], [0.0, 1.0]]])
    found = all_answers(rules_for("convex-hull"), line, torch.tensor([4]))
    assert found == {(1, 3, 4, 1), (1, 2, 4, 1), (2, 3, 4, 2)}


@pytest.mark.parametrize("problem", ["sort", "tsp", "convex-hull", "delaunay"])
def test_masks_along_an_answer_are_those_of_its_steps(problem: str) -> None:
    rules = rules_for(problem)
    points, lengths = drawn_points(3)
    rows = answers(rules, points, lengths)
    width = max(map(len, rows))
    pointers = torch.tensor([row + [END] * (width - len(row)) for row in rows])
    masks = allowed_along(rules, points, lengths, pointers)
    assert bool(masks.gather(2, pointers.unsqueeze(2)).all())


@pytest.mark.parametrize("problem", ["tsp", "convex-hull", "delaunay"])
def test_progress_can_be_selected_as_a_beam_does(problem: str) -> None:
    rules = rules_for(problem)
    points, lengths = drawn_points(5)
    progress = rules.start(points, lengths)
    progress = rules.advance(progress, rules.allowed(progress).int().argmax(1))
    parents = torch.tensor([4, 4, 0])
    expected = rules.allowed(progress)[parents]
    assert torch.equal(rules.allowed(select(progress, parents)), expected)
