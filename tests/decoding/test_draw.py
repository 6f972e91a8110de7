"""Sequences drawn whole: as `generate` draws them, with the model's own log-probabilities."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ostinato.decoding import Draw, Sampling, draw_sequences

CHAIN = torch.tensor([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.6, 0.2, 0.2]]).log()
END = 2


def next_step(tokens: Tensor, state: None) -> tuple[Tensor, None]:
    return CHAIN[tokens], state


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_log_probability_is_that_of_the_tokens_and_the_end() -> None:
    draw = Draw(Sampling(2.0), seeded())
    first = torch.zeros(50, dtype=torch.long)
    found = draw_sequences(next_step, None, first, draw, maximum_length=40, end_index=END)
    for one in found:
        path = [0, *one.tokens, END]
        expected = sum(CHAIN[a, b].item() for a, b in pairwise(path))
        assert one.log_probability == pytest.approx(expected, rel=1e-5)
        assert END not in one.tokens
    assert all(one.complete for one in found)


def test_what_is_too_long_is_cut_and_said_to_be_incomplete() -> None:
    first, greedy = torch.tensor([0]), Draw(Sampling(0.0))

    def never(tokens: Tensor, state: None) -> tuple[Tensor, None]:
        return torch.tensor([[0.9, 0.1, 0.0]]).log(), state

    (one,) = draw_sequences(never, None, first, greedy, maximum_length=3, end_index=END)
    assert (one.tokens, one.complete) == ([0, 0, 0], False)
    assert one.log_probability == pytest.approx(3 * math.log(0.9), rel=1e-5)


def test_an_end_right_after_the_longest_is_complete() -> None:
    def counts(tokens: Tensor, state: int) -> tuple[Tensor, int]:
        return torch.eye(3)[[END if state == 3 else 0]].log(), state + 1

    first, greedy = torch.tensor([0]), Draw(Sampling(0.0))
    (one,) = draw_sequences(counts, 0, first, greedy, maximum_length=3, end_index=END)
    assert (one.tokens, one.complete, one.log_probability) == ([0, 0, 0], True, 0.0)


def test_the_share_of_what_is_drawn_is_its_probability() -> None:
    first = torch.zeros(4000, dtype=torch.long)
    found = draw_sequences(
        next_step, None, first, Draw(generator=seeded()), maximum_length=50, end_index=END
    )
    share = sum(one.tokens == [] for one in found) / len(found)
    assert share == pytest.approx(0.4, abs=0.03)
