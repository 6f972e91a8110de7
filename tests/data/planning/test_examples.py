"""Examples are new for ever, and the same whenever they are asked for; and answers are judged."""

import numpy as np
import pytest
import torch

from ostinato.data.planning.batches import make_batch
from ostinato.data.planning.examples import TEST, TRAINING, ExampleSource, draw_instances
from ostinato.data.planning.judging import judge
from ostinato.data.planning.problems import PROBLEMS

TSP, HULL, DELAUNAY = PROBLEMS["tsp"], PROBLEMS["convex-hull"], PROBLEMS["delaunay"]
SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.4]])


def source(**changes) -> ExampleSource:
    sizes = {"fewest": 3, "most": 7, "batch_size": 6, "epoch_size": 20}
    return ExampleSource(HULL, **(sizes | changes))


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    epoch = source().epoch(2)
    later, first = epoch[3], source().epoch(2)[3]
    assert torch.equal(later.inputs, first.inputs)
    assert torch.equal(later.targets, first.targets)


def test_no_two_batches_are_alike() -> None:
    batches = [source(seed=s).epoch(e)[i] for s in (0, 1) for e in (0, 1) for i in (0, 1)]
    assert len({batch.inputs.sum().item() for batch in batches}) == 8


def test_an_epoch_is_rounded_up_to_whole_batches() -> None:
    assert len(source().epoch(0)) == 4


def test_processes_share_a_batch() -> None:
    whole = source().draw(0, 1)
    parts = [source(rank=rank, world_size=2).draw(0, 1) for rank in (0, 1)]
    assert [p.tolist() for p in parts[0] + parts[1]] == [p.tolist() for p in whole]


def test_sizes_lie_between_fewest_and_most() -> None:
    drawn = draw_instances(HULL, (3, 7), 500, (TRAINING, 0))
    assert {len(points) for points in drawn} == {3, 4, 5, 6, 7}


def test_instances_to_test_on_are_not_those_to_train_on() -> None:
    one, other = (draw_instances(HULL, (3, 7), 5, (purpose, 0)) for purpose in (TRAINING, TEST))
    assert one[0].tolist() != other[0].tolist()


def test_a_batch_holds_points_in_the_unit_square_whatever_their_place() -> None:
    batch = make_batch(TSP, [SQUARE * 250 - 1000, SQUARE[:3]])
    torch.testing.assert_close(batch.inputs[0], torch.tensor(SQUARE, dtype=torch.float32))
    assert batch.scales.tolist() == [250, 1]
    assert float(batch.inputs[1, 3:].abs().max()) == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([0, 1, 2, 3], (1, 1, 1)),
        ([0, 1, 2], (0, 0.5, 1)),
        ([0, 2, 1, 3], (0, 0, 0)),
        ([0, 1, 2, 4, 3], (0, 0.7, 1)),
    ],
)
def test_hulls_are_judged_by_their_area(answer: list, expected: tuple) -> None:
    figures = judge(HULL, [SQUARE], [np.array(answer)], [np.arange(4)])
    assert (figures["accuracy"], figures["valid"]) == (expected[0], expected[2])
    assert figures["area"] == pytest.approx(expected[1])


def test_only_valid_hulls_count_for_the_area() -> None:
    answers = [np.arange(4), np.array([0, 2, 1, 3])]
    figures = judge(HULL, [SQUARE] * 2, answers, [np.arange(4)] * 2)
    assert (figures["area"], figures["valid"], figures["optimality_gap"]) == (1.0, 0.5, 0.0)


def test_triangulations_are_judged_by_the_triangles_found() -> None:
    exact = np.array([[0, 1, 4], [0, 3, 4], [1, 2, 4], [2, 3, 4]])
    crossing = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    figures = judge(DELAUNAY, [SQUARE] * 2, [exact[:3], crossing], [exact] * 2)
    assert figures["coverage"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert (figures["accuracy"], figures["valid"]) == (0.0, 0.5)


def test_tours_are_judged_by_their_length() -> None:
    square = SQUARE[:4]
    answers = [np.arange(4), np.array([0, 2, 1, 3])]
    figures = judge(TSP, [square] * 2, answers, [np.arange(4)] * 2)
    crossed = 2 + 2 * np.sqrt(2)
    assert figures["length"] == pytest.approx((4 + crossed) / 2)
    assert figures["optimality_gap"] == pytest.approx((crossed / 4 - 1) / 2)
    assert figures["accuracy"] == 0.5
