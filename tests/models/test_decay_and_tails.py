"""Decay towards the mean where values are missing; how far out in a distribution a value lies."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.distributions import NegativeBinomial, Normal, StudentT

import ostinato
from ostinato.cells.decayed import DecayedCell
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.input_decay import InputDecay
from ostinato.models.tails import incomplete_beta, tail_probability


def forecaster() -> AutoregressiveForecaster:
    torch.manual_seed(0)
    width = input_size_for(2, 0, decay=True)
    layer = ostinato.Recurrent([DecayedCell(ostinato.LSTMCell(width - 2, 5), 2)])
    model = AutoregressiveForecaster(layer, 2, 0, season=3, decay=True)
    torch.nn.init.normal_(model.head.linear.weight)
    return model.eval()


def test_a_value_fades_with_its_age_and_not_if_it_was_seen_just_now() -> None:
    decay = InputDecay(2)
    torch.nn.init.constant_(decay.weight, 0.5)
    found = decay(torch.tensor([[4.0, 4.0], [4.0, 4.0]]), torch.tensor([[0.0, 1.0], [2.0, 1000.0]]))
    expected = 4 * torch.tensor([[0.0, -0.5], [-1.0, -500.0]]).exp()
    torch.testing.assert_close(found, expected)


def test_a_decaying_forecaster_reads_row_by_row_as_the_whole() -> None:
    model = forecaster()
    values, seen = torch.randn(1, 9, 2), torch.rand(1, 9, 2) > 0.5
    nothing = torch.zeros(1, 9, 0)
    whole, _ = model(values, seen, nothing)
    state, rows = None, []
    for step in range(9):
        at = slice(step, step + 1)
        parameters, state = model(values[:, at], seen[:, at], nothing[:, at], state)
        rows.append(parameters)
    torch.testing.assert_close(torch.cat(rows, 1), whole)


def test_a_decaying_path_is_what_reading_its_own_values_expects() -> None:
    model = forecaster()
    nothing = torch.zeros(1, 4, 0)
    _, state = model(torch.randn(1, 4, 2), torch.tensor([[[True, False]] * 4]), nothing)
    torch.manual_seed(7)
    path = model.sample(state, nothing)
    parameters, _ = model(path, torch.ones(1, 4, 2, dtype=torch.bool), nothing, state)
    torch.manual_seed(7)
    noise = torch.stack([torch.normal(torch.zeros(1, 2), 1.0) for _ in range(4)], 1)
    torch.testing.assert_close(path, parameters[..., 0] + parameters[..., 1] * noise)


def test_the_incomplete_beta_function_is_that_of_scipy() -> None:
    chance = np.random.default_rng(0)
    a, b = chance.uniform(0.1, 80, 500), chance.uniform(0.1, 80, 500)
    x = np.concatenate([chance.uniform(0, 1, 498), [0.0, 1.0]])
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-12)


def test_tail_probabilities_are_those_of_scipy() -> None:
    values = torch.tensor([-3.0, 0.0, 0.4, 9.0], dtype=torch.double)
    one = torch.ones((), dtype=torch.double)
    normal = tail_probability(Normal(0.5 * one, 2 * one), values)
    student = tail_probability(StudentT(3.5 * one, 0.5 * one, 2 * one), values)
    apart = np.abs(values.numpy() - 0.5) / 2
    assert normal == pytest.approx(2 * stats.norm.sf(apart), rel=1e-9)
    assert student == pytest.approx(2 * stats.t.sf(apart, 3.5), rel=1e-9)


def test_tail_probabilities_of_counts_take_the_count_itself_to_either_side() -> None:
    counts = torch.tensor([0.0, 1.0, 4.0, 30.0], dtype=torch.double)
    size, share = torch.tensor(2.5, dtype=torch.double), torch.tensor(0.6, dtype=torch.double)
    found = tail_probability(NegativeBinomial(size, probs=share), counts)
    exact = stats.nbinom(2.5, 0.4)
    at_most, at_least = exact.cdf(counts), exact.sf(counts.numpy() - 1)
    assert found == pytest.approx(np.minimum(1, 2 * np.minimum(at_most, at_least)), rel=1e-9)
