"""A small model whose answers depend on a sentence and on every token before, and all its answers.

Tokens are 0 (the start), 1 (the end) and letters from 2 on.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ostinato.decoding import NextStep
from ostinato.state import HiddenState

START, END = 0, 1


class Sentences:
    """next state = tanh(state W + embedding of the token + the sentence's own vector)."""

    def __init__(self, batch: int, vocabulary_size: int, seed: int, *, sharpness: float = 2.0):
        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.double)

        generator = torch.Generator().manual_seed(seed)
        self.batch, self.vocabulary_size = batch, vocabulary_size
        self.embedding, self.source = draw(vocabulary_size, 6), draw(batch, 6)
        self.weight, self.head = draw(6, 6), sharpness * draw(6, vocabulary_size)
        self.asked: list[list[int]] = []

    def initial_state(self) -> HiddenState:
        return HiddenState(torch.zeros(self.batch, 6, dtype=torch.double))

    def first_tokens(self) -> Tensor:
        return torch.full((self.batch,), START)

    def next_step_for(self, rows: Tensor) -> NextStep:
        self.asked.append(rows.tolist())
        source = self.source[rows]

        def next_step(tokens: Tensor, state: HiddenState) -> tuple[Tensor, Any]:
            hidden = (state.hidden @ self.weight + self.embedding[tokens] + source).tanh()
            return (hidden @ self.head).log_softmax(-1), HiddenState(hidden)

        return next_step

    def alone(self, sentence: int) -> "Sentences":
        """The same model of one of its sentences."""
        one = Sentences(1, self.vocabulary_size, 0)
        one.embedding, one.weight, one.head = self.embedding, self.weight, self.head
        one.source = self.source[[sentence]]
        return one

    def forced(self, sentence: int, tokens: list[int]) -> float:
        """The log-probability of these tokens, one after the other."""
        next_step = self.alone(sentence).next_step_for(torch.tensor([0]))
        state = HiddenState(torch.zeros(1, 6, dtype=torch.double))
        total, last = 0.0, START
        for token in tokens:
            scores, state = next_step(torch.tensor([last]), state)
            total, last = total + scores[0, token].item(), token
        return total

    def everything(self, longest: int) -> Iterator[list[int]]:
        """All that can be said in `longest` tokens, without the end."""
        letters = [token for token in range(self.vocabulary_size) if token != END]
        for length in range(longest + 1):
            yield from map(list, product(letters, repeat=length))
