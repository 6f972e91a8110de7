"""How a planner finds its answers: a beam against greedy answers and against all valid ones."""

from itertools import permutations

import numpy as np
import pytest
import torch

import ostinato
from ostinato.data.planning.batches import PlanningBatch, make_batch
from ostinato.data.planning.examples import draw_instances
from ostinato.data.planning.problems import PROBLEMS
from ostinato.errors import SettingsError
from ostinato.models import AttentionPointing, PointerNetwork, RecurrentPointing, rules_for
from ostinato.models.pointing_rules import END
from ostinato.tasks.planning.answering import Answering, find_answers
from ostinato.tasks.planning.evaluation import predict


def recurrent(coordinates: int = 2) -> PointerNetwork:
    layers = ostinato.LSTM(coordinates, 8), ostinato.LSTM(coordinates, 8)
    network = PointerNetwork(RecurrentPointing(*layers, 8))
    return _made_sharper(network)


def attention(coordinates: int = 2) -> PointerNetwork:
    pointing = AttentionPointing(coordinates, 16, blocks=1, heads=4, clip=None)
    return _made_sharper(PointerNetwork(pointing))


def _made_sharper(network: PointerNetwork) -> PointerNetwork:
    """Untrained scores are nearly alike; larger weights tell the answers apart."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return network.double().eval()


NETWORKS = {"recurrent": recurrent, "attention": attention}


def drawn(problem: str, sizes: tuple[int, int], count: int) -> PlanningBatch:
    kind = PROBLEMS[problem]
    batch = make_batch(kind, draw_instances(kind, sizes, count, (7, 1)))
    return batch._replace(inputs=batch.inputs.double())


def likelihood(
    network: PointerNetwork, problem: str, batch: PlanningBatch, pointers: torch.Tensor
) -> torch.Tensor:
    """Log-probability (batch,) of whole answers, the END of a triangulation with them."""
    ended = torch.nn.functional.pad(pointers, (0, 1), value=END)
    rules = rules_for(problem)
    with torch.no_grad():
        return network.log_likelihood(rules, batch.inputs, batch.lengths, ended).sum(1)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("problem", ["sort", "tsp", "convex-hull", "delaunay"])
def test_a_beam_of_one_is_greedy(name: str, problem: str) -> None:
    network = NETWORKS[name](PROBLEMS[problem].coordinates)
    batch = drawn(problem, (4, 7), 40)
    greedy = find_answers(network, PROBLEMS[problem], batch, Answering())
    found = find_answers(network, PROBLEMS[problem], batch, Answering(beam_size=1))
    assert torch.equal(found, greedy[:, : found.shape[1]])
    assert not greedy[:, found.shape[1] :].any()


def everything(problem: str, points: int) -> list[list[int]]:
    """All valid answers to few points, before the rules of place and turn."""
    numbers = range(1, points + 1)
    if problem == "sort":
        return [list(order) for order in permutations(numbers)]
    if problem == "tsp":
        return [[1, *rest] for rest in permutations(numbers[1:])]
    shapes = [p for size in range(3, points + 1) for p in permutations(numbers, size)]
    return [[*shape, shape[0]] for shape in shapes if shape[0] == min(shape)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("problem", ["sort", "tsp", "convex-hull"])
def test_a_beam_as_wide_as_the_space_finds_the_likeliest_valid_answer(
    name: str, problem: str
) -> None:
    network = NETWORKS[name](PROBLEMS[problem].coordinates)
    batch = drawn(problem, (5, 5), 6)
    answers = everything(problem, 5)
    found = find_answers(network, PROBLEMS[problem], batch, Answering(beam_size=len(answers)))
    width = max(map(len, answers))
    table = torch.tensor([answer + [END] * (width - len(answer)) for answer in answers])
    for row in range(6):
        alone = batch._replace(
            inputs=batch.inputs[row : row + 1].expand(len(table), -1, -1),
            lengths=batch.lengths[row : row + 1].expand(len(table)),
        )
        scores = likelihood(network, problem, alone, table).nan_to_num(nan=-torch.inf)
        best = [pointer for pointer in table[int(scores.argmax())].tolist() if pointer != END]
        assert [pointer for pointer in found[row].tolist() if pointer != END] == best


def test_the_likeliest_triangulation_of_four_points_is_found() -> None:
    """Of all sets of triangles in rising order; those that overlap have no probability."""
    network, batch = recurrent(), drawn("delaunay", (4, 4), 5)
    triangles = [(1, 2, 3), (1, 2, 4), (1, 3, 4), (2, 3, 4)]
    masks = [mask for mask in range(1, 16) if bin(mask).count("1") <= 3]
    chosen = [[t for bit, t in enumerate(triangles) if mask >> bit & 1] for mask in masks]
    answers = [[number for triangle in some for number in triangle] for some in chosen]
    table = torch.tensor([answer + [END] * (9 - len(answer)) for answer in answers])
    found = find_answers(network, PROBLEMS["delaunay"], batch, Answering(beam_size=60))
    for row in range(5):
        alone = batch._replace(
            inputs=batch.inputs[row : row + 1].expand(len(table), -1, -1),
            lengths=batch.lengths[row : row + 1].expand(len(table)),
        )
        scores = likelihood(network, "delaunay", alone, table).nan_to_num(nan=-torch.inf)
        best = table[int(scores.argmax())].tolist()
        assert [p for p in found[row].tolist() if p] == [p for p in best if p]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("problem", ["sort", "tsp", "convex-hull", "delaunay"])
def test_a_beam_over_several_sizes_is_that_of_each_alone(name: str, problem: str) -> None:
    network = NETWORKS[name](PROBLEMS[problem].coordinates)
    kind = PROBLEMS[problem]
    batch = drawn(problem, (3, 6), 12)
    together = find_answers(network, kind, batch, Answering(beam_size=4))
    for row, length in enumerate(batch.lengths.tolist()):
        alone = batch._replace(
            inputs=batch.inputs[row : row + 1, :length], lengths=batch.lengths[row : row + 1]
        )
        (found,) = find_answers(network, kind, alone, Answering(beam_size=4))
        assert [p for p in together[row].tolist() if p] == [p for p in found.tolist() if p]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("problem", ["sort", "tsp", "convex-hull", "delaunay"])
def test_a_beam_is_never_less_likely_than_greedy_and_its_answers_are_valid(
    name: str, problem: str
) -> None:
    network, kind = NETWORKS[name](PROBLEMS[problem].coordinates), PROBLEMS[problem]
    batch = drawn(problem, (4, 8), 60)
    scores = {}
    for size in (1, 8):
        pointers = find_answers(network, kind, batch, Answering(beam_size=size))
        scores[size] = likelihood(network, problem, batch, pointers)
        assert bool(scores[size].isfinite().all())
    assert bool((scores[8] >= scores[1] - 1e-9).all())


def test_a_beam_of_tours_visits_every_point_once() -> None:
    points = draw_instances(PROBLEMS["tsp"], (3, 9), 30, (7, 2))
    network = attention().float()
    tours = predict(network, PROBLEMS["tsp"], points, answering=Answering(beam_size=5))
    assert [np.sort(tour).tolist() for tour in tours] == [list(range(len(p))) for p in points]


def test_equal_answers_are_found_the_same_way_every_time() -> None:
    """Where the network says nothing, the first of all answers is the answer."""
    network = recurrent()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    batch = drawn("tsp", (6, 6), 3)
    found = find_answers(network, PROBLEMS["tsp"], batch, Answering(beam_size=4))
    assert found.tolist() == [[1, 2, 3, 4, 5, 6]] * 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"samples": 3, "beam_size": 2}, "give samples or beam_size, not both"),
        ({"beam_size": 0}, "beam_size must be at least 1, got 0"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(options: dict, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Answering(**options)
