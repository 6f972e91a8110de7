"""Drawing tokens, against sets and frequencies worked out by hand and by numpy."""

import math

import numpy as np
import pytest
import torch

from ostinato.decoding import (
    Sampling,
    StopStrings,
    generate,
    keep_minimum_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
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
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"minimum_p": 0.0},
        {"repetition_penalty": 0.5},
    ],
)
def test_values_out_of_range_are_refused(values: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(values))):
        Sampling(**values)


def cycle(tokens: torch.Tensor, state: int) -> tuple[torch.Tensor, int]:
    """A chain that goes 0 1 2 3 4 0 1 ... with certainty."""
    following = (tokens + 1) % 5
    return torch.full((len(tokens), 5), -20.0).scatter(1, following.unsqueeze(1), 0.0), state + 1


def drawn(**options: object) -> list[list[int]]:
    steps = generate(cycle, 0, torch.tensor([0, 3]), Sampling(temperature=0), **options)
    return [tokens.tolist() for tokens, _ in steps]


def test_generation_follows_the_chain() -> None:
    assert drawn(length=4) == [[1, 4], [2, 0], [3, 1], [4, 2]]


def test_an_ended_sample_goes_on_with_the_end_token_and_all_ended_stops() -> None:
    assert drawn(length=10, end_index=2) == [[1, 4], [2, 0], [2, 1], [2, 2]]


def test_forbidden_tokens_are_never_drawn() -> None:
    assert 1 not in [token for pair in drawn(length=6, forbidden=[1]) for token in pair]


def test_the_same_seed_draws_the_same() -> None:
    def once() -> list[list[int]]:
        generator = torch.Generator().manual_seed(5)
        flat = lambda tokens, state: (torch.zeros(len(tokens), 9), state)  # noqa: E731
        steps = generate(
            flat, None, torch.zeros(3, dtype=torch.long), Sampling(), length=8, generator=generator
        )
        return [tokens.tolist() for tokens, _ in steps]

    assert once() == once()


def test_a_stop_string_cut_in_pieces_is_found_and_never_shown() -> None:
    text = StopStrings(["END", "\n\n"])
    assert [text.feed(piece) for piece in ("a E", "N", "x\n", "b EN", "D c")] == [
        ("a ", False),
        ("", False),
        ("ENx", False),
        ("\nb ", False),
        ("", True),
    ]


def test_what_was_held_back_comes_at_the_end() -> None:
    text = StopStrings(["END"])
    assert text.feed("the EN") == ("the ", False)
    assert text.finish() == "EN"


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(SettingsError, match="must not be empty"):
        StopStrings([""])
