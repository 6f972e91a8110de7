"""Pieces of text that a model writes, with a model whose tokens are known beforehand."""

from pathlib import Path

import pytest
import torch

from ostinato.data import CharacterTokeniser, Tokeniser
from ostinato.decoding import Sampling
from ostinato.tasks.text.task import Settings, predict, prepare


class Reciting:
    """Says `line` over and over, one token a step, then ends, whatever was drawn."""

    def __init__(self, tokeniser: Tokeniser, line: str) -> None:
        self.said = [*tokeniser.encode(line), tokeniser.end_index]
        self.vocabulary_size = tokeniser.vocabulary_size

    def parameters(self):
        return iter([torch.zeros(1)])

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, dtype=torch.long)

    def __call__(self, tokens, state):
        return tokens, state

    def prepared_step(self, state):
        return self.step

    def step(self, tokens, state):
        scores = torch.full((len(tokens), self.vocabulary_size), -9.0)
        wanted = torch.tensor(self.said)[state % len(self.said)]
        return scores.scatter(1, wanted.unsqueeze(1), 0.0), state + 1


@pytest.fixture
def tokeniser(text: Path, tmp_path: Path) -> Tokeniser:
    found = prepare(Settings(data=(str(text),), cache_dir=tmp_path)).tokeniser
    assert isinstance(found, CharacterTokeniser)
    return found


def written(tokeniser: Tokeniser, line: str, prompt: str = "", **options) -> list[str]:
    sampling = options.pop("sampling", Sampling(temperature=0))
    model = Reciting(tokeniser, line)
    steps = predict(model, tokeniser, prompt, sampling=sampling, **options)  # pyright: ignore
    return ["".join(pieces) for pieces in zip(*steps, strict=True)]


def test_a_text_that_may_end_ends(tokeniser: Tokeniser) -> None:
    assert written(tokeniser, "the list", length=50, may_end=True) == ["the list"]


def test_a_text_that_may_not_end_goes_on(tokeniser: Tokeniser) -> None:
    (text,) = written(tokeniser, "abc", length=7)
    assert text.startswith("abc")
    assert len(text) == 7


def test_what_looked_like_a_stop_string_is_shown_when_the_text_ends(tokeniser: Tokeniser) -> None:
    assert written(tokeniser, "the li", length=50, may_end=True, stop=["list"]) == ["the li"]
    assert written(tokeniser, "the list", length=6, stop=["list"]) == ["the li"]


def test_every_sample_stops_by_itself(tokeniser: Tokeniser) -> None:
    assert written(tokeniser, "one. two", length=8, samples=3, stop=["."]) == ["one"] * 3


def test_the_penalty_counts_the_prompt(tokeniser: Tokeniser) -> None:
    sampling = Sampling(temperature=0, repetition_penalty=1.1)
    # The wanted token has log-probability 0, which no factor lowers; all others are equal, so that
    # once it is forbidden the first of those that are not in the prompt is taken.
    prompt = tokeniser.decode([0, 1])
    (text,) = written(tokeniser, "", prompt, length=1, sampling=sampling)
    assert text not in prompt
