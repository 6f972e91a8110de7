"""Generation, on chains whose next token is known or follows a table."""

import math
import time
from typing import Any

import pytest
import torch
from torch import Tensor

from ostinato import GRU, LSTM, LanguageModel
from ostinato.decoding import Sampling, generate
from ostinato.errors import SettingsError, TrainingError

GREEDY = Sampling(temperature=0)
TABLE = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.2, 0.7, 0.1]])


def cycle(tokens: Tensor, state: int) -> tuple[Tensor, int]:
    """A chain that goes 0 1 2 3 4 0 1 ... almost with certainty."""
    following = (tokens + 1) % 5
    return torch.full((len(tokens), 5), -20.0).scatter(1, following.unsqueeze(1), 0.0), state + 1


def markov(tokens: Tensor, state: None) -> tuple[Tensor, None]:
    return TABLE[tokens].log(), state


def drawn(**options: Any) -> list[list[int]]:
    steps = generate(cycle, 0, torch.tensor([0, 3]), GREEDY, **options)
    return [tokens.tolist() for tokens, _ in steps]


def table_of(pairs: Tensor) -> Tensor:
    """The share of each next token (column) after each token (row), from pairs (n, 2)."""
    counts = torch.bincount(pairs[:, 0] * 3 + pairs[:, 1], minlength=9).view(3, 3).float()
    return counts / counts.sum(1, keepdim=True)


def test_generation_follows_the_chain() -> None:
    assert drawn(length=4) == [[1, 4], [2, 0], [3, 1], [4, 2]]


def test_an_ended_sample_goes_on_with_the_end_token_and_all_ended_stops() -> None:
    assert drawn(length=10, end_index=2) == [[1, 4], [2, 0], [2, 1], [2, 2]]


def test_which_samples_have_ended_is_told_at_each_step() -> None:
    steps = generate(cycle, 0, torch.tensor([0, 3]), GREEDY, length=10, end_index=2)
    assert [finished.tolist() for _, finished in steps] == [
        [False, False],
        [True, False],
        [True, False],
        [True, True],
    ]


def test_forbidden_tokens_are_never_drawn() -> None:
    assert 1 not in [token for pair in drawn(length=6, forbidden=[1]) for token in pair]


def test_no_length_draws_nothing() -> None:
    assert drawn(length=0) == []


def test_generated_pairs_follow_a_markov_table() -> None:
    first = torch.zeros(200, dtype=torch.long)
    generator = torch.Generator().manual_seed(1)
    steps = generate(markov, None, first, Sampling(), length=150, generator=generator)
    texts = torch.stack([first, *(tokens for tokens, _ in steps)], 1)
    pairs = torch.stack([texts[:, :-1], texts[:, 1:]], -1).flatten(0, 1)
    torch.testing.assert_close(table_of(pairs), TABLE, rtol=0, atol=0.02)
    assert table_of(pairs)[1, 1] == 0


def draw_seeded(seed: int, samples: int = 4) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.zeros(samples, dtype=torch.long)
    steps = generate(markov, None, first, Sampling(), length=30, generator=generator)
    return torch.stack([tokens for tokens, _ in steps], 1).tolist()


def test_the_same_seed_draws_the_same_and_another_seed_draws_otherwise() -> None:
    assert draw_seeded(5) == draw_seeded(5)
    assert draw_seeded(5) != draw_seeded(6)


def test_the_samples_of_a_batch_differ() -> None:
    assert len({tuple(text) for text in draw_seeded(5)}) == 4


def test_torchs_own_chance_is_left_alone_by_a_generator() -> None:
    before = torch.get_rng_state()
    draw_seeded(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_drawn_tokens_are_penalised_and_those_of_the_prompt_if_given() -> None:
    def flat(tokens: Tensor, state: None) -> tuple[Tensor, None]:
        return torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log(), state

    def choices(seen: Tensor | None) -> list[int]:
        sampling = Sampling(temperature=0, repetition_penalty=10.0)
        steps = generate(flat, None, torch.tensor([3]), sampling, length=3, seen=seen)
        return [tokens.item() for tokens, _ in steps]

    prompt = torch.tensor([[False, True, False, False]])
    assert choices(None) == [0, 1, 2]
    assert choices(prompt) == [0, 2, 3]
    assert prompt.tolist() == [[False, True, False, False]]


def test_greedy_generation_is_the_likeliest_after_the_whole_text_so_far() -> None:
    model = LanguageModel(9, 8, LSTM(8, 8, num_layers=2)).eval()
    text = torch.tensor([[3], [5]])
    steps = generate(model.step, model.initial_state(2), text[:, 0], GREEDY, length=12)
    for tokens, _ in steps:
        features, _ = model(text)
        assert tokens.tolist() == model.log_probabilities(features)[:, -1].argmax(-1).tolist()
        text = torch.cat([text, tokens.unsqueeze(1)], 1)
    assert text.shape == (2, 13)


def test_no_graph_grows_with_the_text() -> None:
    model = LanguageModel(9, 8, GRU(8, 8)).eval()
    reached = []

    def next_step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        log_probabilities, state = model.step(tokens, state)
        reached.append(log_probabilities.requires_grad)
        return log_probabilities, state

    steps = generate(next_step, model.initial_state(1), torch.tensor([0]), GREEDY, length=3)
    assert len(list(steps)) == 3
    assert reached == [False, False, False]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length must be at least 0, got -1"),
        ({"length": 2, "forbidden": [5]}, "must be from 0 to 4, got 5"),
        ({"length": 2, "forbidden": [0, 1, 2, 3, 4]}, "all 5 tokens are forbidden"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        drawn(**options)


@pytest.mark.parametrize("score", [math.nan, -math.inf])
def test_a_model_that_diverged_is_told_from_one_that_writes(score: float) -> None:
    def diverged(tokens: Tensor, state: None) -> tuple[Tensor, None]:
        return torch.full((len(tokens), 5), score), state

    with pytest.raises(TrainingError, match=r"its training diverged.*smaller learning rate"):
        list(generate(diverged, None, torch.tensor([0]), Sampling(), length=1))


@pytest.mark.nightly
def test_work_a_token_does_not_grow() -> None:
    model = LanguageModel(50, 64, LSTM(64, 64)).eval()
    steps = generate(model.step, model.initial_state(1), torch.tensor([0]), Sampling(), length=6000)
    stamps = [time.perf_counter() for _ in steps]
    early, late = stamps[2000] - stamps[1000], stamps[5999] - stamps[4999]
    assert late < 1.5 * early
