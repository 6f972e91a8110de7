"""A pointer network by two routes: whole or step by step, padded or alone; and all it says."""

from itertools import permutations

import pytest
import torch

import ostinato
from ostinato.decoding import Sampling, generate
from ostinato.errors import SettingsError
from ostinato.models import (
    AttentionPointing,
    PointerNetwork,
    RecurrentPointing,
    TransformerPointing,
    rules_for,
)
from ostinato.state import select

END = 0


def recurrent(coordinates: int = 2, **options) -> PointerNetwork:
    layers = [ostinato.LSTM(coordinates, 8, 2), ostinato.LSTM(coordinates, 8, 2)]
    return PointerNetwork(RecurrentPointing(*layers, 8, **options)).double().eval()


def attention(coordinates: int = 2) -> PointerNetwork:
    return PointerNetwork(AttentionPointing(coordinates, 16, blocks=2, heads=4)).double().eval()


def transformer(coordinates: int = 2) -> PointerNetwork:
    return PointerNetwork(TransformerPointing(coordinates, 16, blocks=2, heads=4)).double().eval()


NETWORKS = {
    "recurrent": recurrent,
    "glimpse": lambda: recurrent(glimpses=1, clip=10.0),
    "attention": attention,
    "transformer": transformer,
}


def answered(network: PointerNetwork, problem: str) -> tuple[torch.Tensor, ...]:
    """Instances of 3 to 7 points with drawn answers, and the log-probabilities of their steps."""
    rules = rules_for(problem)
    lengths = torch.tensor([7, 3, 5, 4])
    points = torch.rand(4, 7, 2, dtype=torch.double)
    step, state = network.next_step(rules, points, lengths)
    pointers, scores, last = [], [], torch.zeros(4, dtype=torch.long)
    with torch.no_grad():
        for _ in range(rules.longest(7)):
            log_probabilities, state = step(last, state)
            last = Sampling().choose(log_probabilities, None, None)
            pointers.append(last)
            scores.append(log_probabilities.gather(1, last.unsqueeze(1)).squeeze(1))
    return points, lengths, torch.stack(pointers, 1), torch.stack(scores, 1)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("problem", ["sort", "tsp", "convex-hull", "delaunay"])
def test_step_by_step_is_one_pass(name: str, problem: str) -> None:
    network = NETWORKS[name]()
    points, lengths, pointers, scores = answered(network, problem)
    whole = network.log_likelihood(rules_for(problem), points, lengths, pointers)
    torch.testing.assert_close(whole, scores, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("problem", ["tsp", "convex-hull", "delaunay"])
def test_one_batch_of_several_sizes_is_each_alone(name: str, problem: str) -> None:
    network = NETWORKS[name]()
    points, lengths, pointers, scores = answered(network, problem)
    for row, length in enumerate(lengths.tolist()):
        alone = network.log_likelihood(
            rules_for(problem),
            points[row : row + 1, :length],
            lengths[row : row + 1],
            pointers[row : row + 1],
        )
        torch.testing.assert_close(alone[0], scores[row], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_rows_that_share_their_points_are_each_alone(name: str) -> None:
    network, rules = NETWORKS[name](), rules_for("tsp")
    points, lengths = torch.rand(2, 5, 2, dtype=torch.double), torch.tensor([5, 4])
    rows = torch.tensor([0, 0, 0, 1, 1, 1])
    for_rows, state = network.next_step_for(rules, points, lengths)
    shared, alone = for_rows(rows), network.next_step(rules, points[rows], lengths[rows])
    step, states = alone[0], [select(state, rows), alone[1]]
    for pointers in ([0] * 6, [1] * 6, [2, 3, 4, 4, 3, 2]):
        last = torch.tensor(pointers)
        (found, states[0]), (expected, states[1]) = shared(last, states[0]), step(last, states[1])
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_points_read_before_give_the_same(name: str) -> None:
    network, rules = NETWORKS[name](), rules_for("tsp")
    points, lengths, pointers, scores = answered(network, "tsp")
    read = network.pointing.read(points, lengths)
    found = network.log_likelihood(rules, points, lengths, pointers, read=read)
    torch.testing.assert_close(found, scores, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_tours_together_have_probability_one(name: str) -> None:
    tours = torch.tensor([(1, *rest) for rest in permutations(range(2, 6))])
    points = torch.rand(1, 5, 2, dtype=torch.double).expand(len(tours), -1, -1)
    lengths = torch.full((len(tours),), 5)
    likelihood = NETWORKS[name]().log_likelihood(rules_for("tsp"), points, lengths, tours)
    assert likelihood.sum(1).exp().sum().item() == pytest.approx(1)


def test_all_polygons_together_have_probability_one() -> None:
    shapes = [p for size in (3, 4) for p in permutations(range(1, 5), size) if p[0] == min(p)]
    pointers = torch.tensor([[*shape, shape[0], END][:5] for shape in shapes])
    points = torch.rand(1, 4, 2, dtype=torch.double).expand(len(shapes), -1, -1)
    rules = rules_for("convex-hull", convex=False)
    lengths = torch.full((len(shapes),), 4)
    likelihood = recurrent().log_likelihood(rules, points, lengths, pointers)
    assert likelihood.sum(1).exp().sum().item() == pytest.approx(1)


def test_attention_sees_no_order_among_the_points() -> None:
    network, order = attention(), torch.tensor([0, 3, 1, 4, 2])
    points, lengths = torch.rand(1, 5, 2, dtype=torch.double), torch.tensor([5])
    tour = torch.tensor([[1, 2, 3, 4, 5]])
    moved = (order.argsort() + 1)[tour - 1]
    rules = rules_for("tsp")
    torch.testing.assert_close(
        network.log_likelihood(rules, points[:, order], lengths, moved),
        network.log_likelihood(rules, points, lengths, tour),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_a_padded_batch_are_numbers(name: str) -> None:
    network = NETWORKS[name]().train()
    points, lengths, pointers, _ = answered(network, "tsp")
    network.log_likelihood(rules_for("tsp"), points, lengths, pointers).sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_greedy_decoding_ends_every_answer() -> None:
    network, rules = recurrent(), rules_for("convex-hull")
    points, lengths = torch.rand(32, 6, 2, dtype=torch.double), torch.randint(3, 7, (32,))
    step, state = network.next_step(rules, points, lengths)
    first = torch.zeros(32, dtype=torch.long)
    steps = list(generate(step, state, first, Sampling(0.0), length=8, end_index=END))
    assert bool(steps[-1][1].all())


def test_cells_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(SettingsError, match="final state"):
        RecurrentPointing(ostinato.LSTM(2, 8), ostinato.LSTM(2, 6), 8)
    with pytest.raises(SettingsError, match="read one way"):
        RecurrentPointing(ostinato.LSTM(2, 8, bidirectional=True), ostinato.LSTM(2, 8), 8)


@pytest.mark.parametrize("pointing", [AttentionPointing, TransformerPointing])
def test_heads_that_do_not_divide_the_size_are_refused(pointing) -> None:
    with pytest.raises(SettingsError, match="heads"):
        pointing(2, 10, heads=4)


def test_a_transformer_tells_the_points_apart_by_their_numbers() -> None:
    network, points = transformer(), torch.rand(1, 1, 2, dtype=torch.double).expand(1, 4, 2)
    read = network.pointing.read(points, torch.tensor([4]))
    apart = torch.cdist(read.keys, read.keys).detach() + torch.eye(5)
    assert float(apart.min()) > 1e-3
