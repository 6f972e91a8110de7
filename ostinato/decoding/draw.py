"""Whole sequences drawn at random, in the form in which a beam search gives them."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ostinato.decoding.generate import NextStep, generate
from ostinato.decoding.hypothesis import Hypothesis
from ostinato.decoding.sampling import Sampling


@dataclass(frozen=True)
class Draw:
    """How to draw sequences.

    Args:
        sampling: how to draw the next token.
        generator: where chance comes from, on the model's device; None: torch's own.
    """

    sampling: Sampling = field(default_factory=Sampling)
    generator: torch.Generator | None = None


def draw_sequences(
    next_step: NextStep,
    state: Any,
    first_tokens: Tensor,
    draw: Draw,
    *,
    maximum_length: int,
    end_index: int,
) -> list[Hypothesis]:
    """One sequence of tokens a sample, drawn token by token. No gradients are kept.

    Args:
        next_step, state, first_tokens: see `generate`.
        draw: how.
        maximum_length: tokens before the end at most; one that is longer is cut there, and its
            log-probability is that of the tokens it has.
        end_index: the token that ends a sequence.

    Returns:
        A hypothesis a sample, with the log-probability that the model gave to what was drawn,
        whatever `sampling` made of it.

    Raises:
        SettingsError, TrainingError: as `generate`.

    Example:
        >>> def next_step(tokens, state):  # after token n comes n + 1
        ...     return torch.eye(5)[(tokens + 1) % 5].log(), state
        >>> first = torch.tensor([0, 2])
        >>> found = draw_sequences(next_step, None, first, Draw(), maximum_length=9, end_index=4)
        >>> [one.tokens for one in found]
        [[1, 2, 3], [3]]
    """
    seen: list[Tensor] = []

    def remembering(tokens: Tensor, before: Any) -> tuple[Tensor, Any]:
        log_probabilities, after = next_step(tokens, before)
        seen.append(log_probabilities)
        return log_probabilities, after

    rows: list[list[int]] = [[] for _ in first_tokens]
    totals = torch.zeros(len(rows), device=first_tokens.device)
    over = torch.zeros_like(first_tokens, dtype=torch.bool)
    steps = generate(
        remembering,
        state,
        first_tokens,
        draw.sampling,
        length=maximum_length + 1,
        end_index=end_index,
        generator=draw.generator,
    )
    for step, (tokens, finished) in enumerate(steps):
        counted = ~over if step < maximum_length else ~over & finished
        taken = seen.pop().gather(1, tokens.unsqueeze(1)).squeeze(1).float()
        totals += torch.where(counted, taken, 0.0)
        over = finished
        if step < maximum_length:
            for row, token in zip(rows, tokens.tolist(), strict=True):
                row.append(token)
    ended = over.tolist()
    return [
        Hypothesis(_before_the_end(row, end_index), total, total, complete)
        for row, total, complete in zip(rows, totals.tolist(), ended, strict=True)
    ]


def _before_the_end(tokens: list[int], end_index: int) -> list[int]:
    return tokens[: tokens.index(end_index)] if end_index in tokens else tokens
