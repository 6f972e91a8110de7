"""Writing on, token by token: constant work a token, whatever came before."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.decoding.checks import forbidden_mask, refuse_what_is_no_number
from ostinato.decoding.sampling import Sampling
from ostinato.errors import SettingsError

NextStep = Callable[[Tensor, Any], tuple[Tensor, Any]]


@torch.no_grad()
def generate(
    next_step: NextStep,
    state: Any,
    first_tokens: Tensor,
    sampling: Sampling,
    *,
    length: int,
    end_index: int | None = None,
    forbidden: Sequence[int] = (),
    seen: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw tokens until all samples ended, or `length` of them. No gradients are kept.

    Args:
        next_step: (tokens (batch,), state) -> (log-probabilities (batch, vocabulary), state).
        state: before the first of `first_tokens` is read.
        first_tokens: integers (batch,), the last tokens of what is there already.
        sampling: how to draw.
        length: tokens a sample at most.
        end_index: the token that ends a sample. None: nothing does.
        forbidden: tokens that are never drawn.
        seen: booleans (batch, vocabulary), the tokens of the prompt, for the repetition penalty,
            which counts the drawn ones by itself. None: only the drawn ones count.
        generator: where chance comes from; seeded alike it draws alike. None: torch's own.

    Yields:
        The next tokens (batch,), and which samples have ended (batch,); an ended sample goes on
        with `end_index`.

    Raises:
        SettingsError: a negative length, or tokens forbidden that are not in the vocabulary, or
            all of them.
        TrainingError: a model that gives NaN, or no token any chance.

    Example:
        >>> def next_step(tokens, state):  # after token n comes n + 1
        ...     return torch.eye(5)[(tokens + 1) % 5].log(), state
        >>> steps = generate(next_step, None, torch.tensor([0]), Sampling(), length=3)
        >>> [tokens.item() for tokens, finished in steps]
        [1, 2, 3]
    """
    if length < 0:
        raise SettingsError(f"length must be at least 0, got {length}")
    tokens, finished = first_tokens, torch.zeros_like(first_tokens, dtype=torch.bool)
    banned = None
    for _ in range(length):
        log_probabilities, state = next_step(tokens, state)
        if banned is None:
            banned = forbidden_mask(forbidden, log_probabilities)
        log_probabilities = log_probabilities.masked_fill(banned, -math.inf)
        refuse_what_is_no_number(log_probabilities)
        if sampling.repetition_penalty is not None and seen is None:
            seen = torch.zeros_like(log_probabilities, dtype=torch.bool)
        tokens = sampling.choose(log_probabilities, seen, generator)
        if seen is not None:
            seen = seen.scatter(1, tokens.unsqueeze(1), True)
        if end_index is not None:
            tokens = torch.where(finished, end_index, tokens)
            finished = tokens == end_index
        yield tokens, finished
        if end_index is not None and bool(finished.all()):
            return
