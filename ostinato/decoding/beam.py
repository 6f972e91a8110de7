"""What a beam search is asked for: its width, its limits, and what hypotheses are ranked by."""

from dataclasses import dataclass

from ostinato.errors import SettingsError


@dataclass(frozen=True)
class Beam:
    """How to search for the best sequences of tokens.

    Args:
        beam_size: unfinished hypotheses kept a sentence; every one that ends makes the beam one
            narrower, as in Sutskever 2014. 1: greedy.
        best: hypotheses to give a sentence, at most `beam_size`.
        length_penalty: alpha of Wu 2016, equation 14, which divides a hypothesis's log-probability
            by `penalty_of_length(length, alpha)`; above 0 favours longer ones. None: none.
        minimum_length: tokens before the end at least.
        unrepeated: no n-gram of this many tokens comes twice in a hypothesis. None: any may.
        forbidden: tokens that are never taken.

    Raises:
        SettingsError: a value out of range.
    """

    beam_size: int = 5
    best: int = 1
    length_penalty: float | None = None
    minimum_length: int = 0
    unrepeated: int | None = None
    forbidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise SettingsError(f"beam_size must be at least 1, got {self.beam_size}")
        if not 1 <= self.best <= self.beam_size:
            raise SettingsError(
                f"best must be from 1 to beam_size ({self.beam_size}), got {self.best}"
            )
        if self.length_penalty is not None and not 0 <= self.length_penalty < float("inf"):
            raise SettingsError(f"length_penalty must be at least 0, got {self.length_penalty}")
        if self.minimum_length < 0:
            raise SettingsError(f"minimum_length must be at least 0, got {self.minimum_length}")
        if self.unrepeated is not None and self.unrepeated < 1:
            raise SettingsError(f"unrepeated must be at least 1 token, got {self.unrepeated}")

    def score(self, log_probability: float, length: int) -> float:
        """What hypotheses are ranked by; `length` counts every token taken, the end too."""
        return log_probability / penalty_of_length(length, self.length_penalty)

    def best_possible_score(self, log_probability: float, longest: int) -> float:
        """No continuation up to `longest` tokens scores higher, nor ever could.

        A continuation's log-probability is at most this one, which is not positive, and the divisor
        never falls with the length: so the longest, at no further cost, is the bound.
        """
        return self.score(log_probability, longest)


def penalty_of_length(length: int, alpha: float | None) -> float:
    """((5 + length) / 6)^alpha; 1 where alpha is None.

    Source: Wu 2016, equation 14.

    Example:
        >>> penalty_of_length(1, 0.6), penalty_of_length(7, 1.0)
        (1.0, 2.0)
    """
    return 1.0 if alpha is None else ((5 + length) / 6) ** alpha
