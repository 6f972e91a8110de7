"""How the next token is drawn: pure functions on log-probabilities (batch, vocabulary).

Each function returns scores of the same shape, minus infinity for tokens that must not be drawn.
Scores need not sum to one; `Sampling.choose` normalises what is left.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.errors import SettingsError


@dataclass(frozen=True)
class Sampling:
    """How to draw the next token.

    The options act in this order: repetition_penalty, temperature, top_k, top_p, minimum_p.

    Args:
        temperature: above 1 more varied, below 1 more certain; 0 takes the likeliest (greedy).
        top_k: only the k likeliest tokens. None: all.
        top_p: only the likeliest tokens that together reach this probability (Holtzman 2020).
        minimum_p: only tokens at least this share as likely as the likeliest (Nguyen 2024).
        repetition_penalty: above 1 makes tokens that came already less likely (Keskar 2019).

    Raises:
        SettingsError: a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    minimum_p: float | None = None
    repetition_penalty: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise SettingsError(f"temperature must be at least 0, got {self.temperature}")
        if self.top_k is not None and not (self.top_k >= 1 and self.top_k == int(self.top_k)):
            raise SettingsError(f"top_k must be a whole number of at least 1, got {self.top_k}")
        for name in ("top_p", "minimum_p"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise SettingsError(f"{name} must be above 0 and at most 1, got {value}")
        if self.repetition_penalty is not None and not 1 <= self.repetition_penalty < math.inf:
            raise SettingsError(
                f"repetition_penalty must be at least 1, got {self.repetition_penalty}"
            )

    def choose(
        self, log_probabilities: Tensor, seen: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """Draw one token a sample.

        Args:
            log_probabilities: (batch, vocabulary).
            seen: booleans (batch, vocabulary), the tokens that came already; None: none did.
            generator: where chance comes from, on the scores' device; None: torch's own.

        Returns:
            Token indices (batch,). With temperature 0 the likeliest, the first of equals.
        """
        scores = log_probabilities
        if self.repetition_penalty is not None and seen is not None:
            scores = penalise_repetition(scores, seen, self.repetition_penalty)
        if self.temperature == 0:
            return scores.argmax(-1)
        scores = with_temperature(scores, self.temperature)
        if self.top_k is not None:
            scores = keep_top_k(scores, self.top_k)
        if self.top_p is not None:
            scores = keep_top_p(scores, self.top_p)
        if self.minimum_p is not None:
            scores = keep_minimum_p(scores, self.minimum_p)
        return torch.multinomial(scores.softmax(-1), 1, generator=generator).squeeze(1)


def with_temperature(scores: Tensor, temperature: float) -> Tensor:
    """Log-probabilities proportional to p^(1 / temperature), temperature > 0.

    Example:
        >>> with_temperature(torch.tensor([[0.2, 0.8]]).log(), 0.5).exp()
        tensor([[0.0588, 0.9412]])
    """
    # The likeliest is 0 before the division, or a small temperature would overflow all of them.
    shifted = scores - scores.amax(-1, keepdim=True)
    return torch.log_softmax(shifted / temperature, -1)


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """Minus infinity for all but the k highest; of equals at the border some are kept, never more.

    Example:
        >>> keep_top_k(torch.tensor([[0.5, 0.1, 0.4]]), 2)
        tensor([[0.5000,   -inf, 0.4000]])
    """
    if k >= scores.shape[-1]:
        return scores
    highest = scores.topk(k, -1)
    return torch.full_like(scores, -math.inf).scatter(-1, highest.indices, highest.values)


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """Minus infinity for all but the fewest likeliest tokens that together reach probability p.

    Source: Holtzman 2020, nucleus sampling.
    """
    if p >= 1:  # Rounding in the sum could else drop rare tokens.
        return scores
    ordered, order = scores.softmax(-1).sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    dropped = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order, before >= p)
    return scores.masked_fill(dropped, -math.inf)


def keep_minimum_p(scores: Tensor, share: float) -> Tensor:
    """Minus infinity for tokens less than `share` times as likely as the likeliest.

    Source: Nguyen 2024, min-p sampling.
    """
    lowest = scores.amax(-1, keepdim=True) + math.log(share)
    return scores.masked_fill(scores < lowest, -math.inf)


def penalise_repetition(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Log-probabilities of tokens that came already, times `penalty`, which lowers them.

    Source: Keskar 2019, equation 2, which divides any score by the penalty and so raises a negative
    one; log-probabilities are never positive, so ours multiplies.
    """
    return torch.where(seen, scores * penalty, scores)
