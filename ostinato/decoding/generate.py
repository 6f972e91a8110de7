"""Writing on, token by token: constant work a token, whatever came before."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.decoding.sampling import Sampling

NextStep = Callable[[Tensor, Any], tuple[Tensor, Any]]


def generate(
    next_step: NextStep,
    state: Any,
    first_tokens: Tensor,
    sampling: Sampling,
    *,
    length: int,
    end_index: int | None = None,
    forbidden: Sequence[int] = (),
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw tokens until all samples ended, or `length` of them.

    Args:
        next_step: (tokens (batch,), state) -> (log-probabilities (batch, vocabulary), state).
        state: before the first of `first_tokens` is read.
        first_tokens: (batch,), the last tokens of what is there already.
        sampling: how to draw.
        length: tokens a sample at most.
        end_index: the token that ends a sample. None: nothing does.
        forbidden: tokens that are never drawn.
        generator: where chance comes from.

    Yields:
        The next tokens (batch,), and which samples have ended (batch,); an ended sample goes on
        with `end_index`.
    """
    tokens = first_tokens
    finished = torch.zeros_like(tokens, dtype=torch.bool)
    banned = torch.tensor(list(forbidden), dtype=torch.long, device=tokens.device)
    seen = None
    for _ in range(length):
        log_probabilities, state = next_step(tokens, state)
        log_probabilities = log_probabilities.index_fill(-1, banned, -math.inf)
        if sampling.repetition_penalty is not None and seen is None:
            seen = torch.zeros_like(log_probabilities, dtype=torch.bool)
        tokens = sampling.choose(log_probabilities, seen, generator)
        if seen is not None:
            seen = seen.scatter(1, tokens.unsqueeze(1), True)
        if end_index is not None:
            tokens = torch.where(finished, end_index, tokens)
            finished = finished | (tokens == end_index)
        yield tokens, finished
        if end_index is not None and bool(finished.all()):
            return
