"""Drawing tokens, against sets and frequencies worked out by hand and by numpy."""

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from ostinato.decoding import (
    Sampling,
    keep_minimum_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
    with_temperature,
)
from ostinato.errors import SettingsError

PROBABILITIES = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15]])
SCORES = PROBABILITIES.log()


def kept(scores: torch.Tensor) -> set[int]:
    return set(torch.isfinite(scores[0]).nonzero().flatten().tolist())


@pytest.mark.parametrize(("k", "expected"), [(1, {1}), (3, {1, 3, 4}), (9, {0, 1, 2, 3, 4})])
def test_top_k_keeps_the_k_likeliest(k: int, expected: set[int]) -> None:
    assert kept(keep_top_k(SCORES, k)) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.3, {1}), (0.4, {1}), (0.5, {1, 3}), (0.8, {1, 3, 4}), (1.0, {0, 1, 2, 3, 4})],
)
def test_top_p_keeps_the_fewest_that_reach_p(p: float, expected: set[int]) -> None:
    assert kept(keep_top_p(SCORES, p - 1e-6)) == expected


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_top_p_agrees_with_numpy(p: float) -> None:
    scores = torch.randn(1, 40).log_softmax(-1)
    probabilities = scores[0].double().exp().numpy()
    order = np.argsort(-probabilities)
    count = int(np.searchsorted(np.cumsum(probabilities[order]), p)) + 1
    assert kept(keep_top_p(scores, p)) == set(order[:count].tolist())


def test_minimum_p_keeps_what_is_near_the_likeliest() -> None:
    assert kept(keep_minimum_p(SCORES, 0.3)) == {1, 3, 4}


def test_the_penalty_lowers_what_was_seen_and_nothing_else() -> None:
    seen = torch.tensor([[True, False, False, True, False]])
    penalised = penalise_repetition(SCORES, seen, 1.5)
    torch.testing.assert_close(penalised[0, [0, 3]], SCORES[0, [0, 3]] * 1.5)
    torch.testing.assert_close(penalised[0, [1, 2, 4]], SCORES[0, [1, 2, 4]])


def test_temperature_zero_takes_the_likeliest() -> None:
    assert Sampling(temperature=0).choose(SCORES, None, None).tolist() == [1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_follow_the_temperature(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = Sampling(temperature).choose(SCORES.expand(20000, -1), None, generator)
    frequencies = torch.bincount(drawn, minlength=5) / 20000
    expected = PROBABILITIES[0] ** (1 / temperature)
    torch.testing.assert_close(frequencies, expected / expected.sum(), rtol=0, atol=0.015)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -1},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"top_k": 0},
        {"top_k": 2.5},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"minimum_p": 0.0},
        {"minimum_p": math.nan},
        {"repetition_penalty": 0.5},
        {"repetition_penalty": math.inf},
    ],
)
def test_values_out_of_range_are_refused(values: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(values))):
        Sampling(**values)


def test_top_k_keeps_no_more_than_k_of_equals() -> None:
    assert len(kept(keep_top_k(torch.zeros(1, 7), 3))) == 3


@pytest.mark.parametrize("k", [1, 2, 17, 39])
def test_top_k_agrees_with_numpy(k: int) -> None:
    scores = torch.randn(1, 40)
    assert kept(keep_top_k(scores, k)) == set(np.argsort(-scores[0].numpy())[:k].tolist())


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_minimum_p_agrees_with_numpy(share: float) -> None:
    scores = torch.randn(1, 40).log_softmax(-1)
    probabilities = scores[0].double().exp().numpy()
    expected = np.nonzero(probabilities >= share * probabilities.max() * (1 - 1e-6))[0]
    assert kept(keep_minimum_p(scores, share)) == set(expected.tolist())


def test_top_p_of_one_keeps_even_the_rarest() -> None:
    scores = torch.cat([torch.zeros(1, 5000), torch.full((1, 3), -40.0)], 1)
    assert len(kept(keep_top_p(scores, 1.0))) == 5003


def test_each_sample_has_its_own_set() -> None:
    scores = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]).log()
    finite = torch.isfinite(keep_top_p(scores, 0.65))
    assert finite.tolist() == [[True, False, False], [False, True, True]]


@pytest.mark.parametrize(
    "keep",
    [
        lambda scores: keep_top_k(scores, 2),
        lambda scores: keep_top_p(scores, 0.6),
        lambda scores: keep_minimum_p(scores, 0.5),
    ],
)
def test_what_is_kept_keeps_its_score_and_the_given_scores_stay(keep: Callable) -> None:
    scores = SCORES.clone()
    kept_scores = keep(scores)
    finite = torch.isfinite(kept_scores)
    assert torch.equal(kept_scores[finite], scores[finite])
    assert torch.equal(scores, SCORES)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_temperature_raises_probabilities_to_its_inverse(temperature: float) -> None:
    powers = np.exp(SCORES[0].double().numpy() / temperature)
    expected = torch.from_numpy(powers / powers.sum()).float()
    torch.testing.assert_close(with_temperature(SCORES, temperature)[0].exp(), expected)


def test_a_tiny_temperature_takes_the_likeliest() -> None:
    sampling = Sampling(temperature=1e-42)
    assert sampling.choose(SCORES.expand(50, -1), None, None).unique().tolist() == [1]


def test_tokens_ruled_out_before_are_never_drawn() -> None:
    scores = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0]]).expand(200, -1)
    sampling = Sampling(0.7, top_k=3, top_p=0.99, minimum_p=0.01)
    assert sampling.choose(scores, None, None).unique().tolist() == [1, 3]


def test_frequencies_in_the_kept_set_are_the_probabilities_among_them() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = Sampling(top_k=3).choose(SCORES.expand(20000, -1), None, generator)
    frequencies = torch.bincount(drawn, minlength=5) / 20000
    expected = torch.tensor([0.0, 0.4, 0.0, 0.3, 0.15]) / 0.85
    torch.testing.assert_close(frequencies, expected, rtol=0, atol=0.015)
    assert frequencies[[0, 2]].tolist() == [0.0, 0.0]


def test_a_penalty_can_change_the_likeliest() -> None:
    seen = torch.tensor([[False, True, False, False, False]])
    sampling = Sampling(temperature=0, repetition_penalty=2.0)
    assert sampling.choose(SCORES, seen, None).tolist() == [3]


def test_a_penalty_without_anything_seen_changes_nothing() -> None:
    sampling = Sampling(temperature=0, repetition_penalty=2.0)
    assert sampling.choose(SCORES, None, None).tolist() == [1]


def test_settings_of_drawing_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Sampling().temperature = 2.0  # pyright: ignore[reportAttributeAccessIssue]
