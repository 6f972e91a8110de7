"""What a beam search finds, and the way back to its tokens."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """One sequence that a search found.

    Attributes:
        tokens: without the first token and without the end.
        log_probability: of the tokens and of the end (natural logarithm), as the model gave it:
            what was forbidden is not made up for.
        score: the log-probability over its length penalty; what hypotheses are ranked by.
        complete: ended, or as long as it was asked to be. False where nothing was allowed to
            follow; a sentence has such hypotheses only where it has no complete one.
        collected: (steps, ...), what was collected at each step, the one that gave the end too;
            None where nothing was asked for.
    """

    tokens: list[int]
    log_probability: float
    score: float
    complete: bool
    collected: Tensor | None = None


class Found(NamedTuple):
    """A hypothesis that is over: that of `row` before step `step` (from 0), and what it took then.

    `token` is None where that was the end, or where nothing was allowed.
    """

    score: float
    log_probability: float
    complete: bool
    step: int
    row: int
    token: int | None


@dataclass
class Trail:
    """What each step of a search did.

    Attributes:
        parents: for each step, the row before it of each row after it.
        tokens: for each step, the token that each row after it took.
        collected: for each step, what was collected from the rows before it, (rows, ...).
    """

    parents: list[list[int]] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    collected: list[Tensor] = field(default_factory=list)

    def best(self, found: list[Found], number: int) -> list[Hypothesis]:
        """The hypotheses that score highest, highest first, with their tokens."""
        ranked = sorted(found, key=lambda one: one.score, reverse=True)
        return [self.follow(one) for one in ranked[:number]]

    def follow(self, found: Found) -> Hypothesis:
        """Follow a hypothesis back to its beginning."""
        rows, tokens = [found.row], [] if found.token is None else [found.token]
        for step in reversed(range(found.step)):
            tokens.append(self.tokens[step][rows[-1]])
            rows.append(self.parents[step][rows[-1]])
        collected = None
        if self.collected:
            steps = zip(self.collected, reversed(rows), strict=False)
            collected = torch.stack([one[row] for one, row in steps])
        return Hypothesis(
            tokens[::-1], found.log_probability, found.score, found.complete, collected
        )
