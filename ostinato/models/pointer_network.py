"""Answers made of pointers: how likely one is, and one step after the other."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ostinato.models.pointing_rules import END, PointingRules, allowed_along
from ostinato.state import select

NextStep = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Pointing(Protocol):
    """What reads points and points at them: `RecurrentPointing`, `AttentionPointing`."""

    def read(self, points: Tensor, lengths: Tensor) -> Any: ...

    def initial_state(self, read: Any) -> Any: ...

    def __call__(
        self, read: Any, pointers: Tensor, allowed: Tensor, state: Any
    ) -> tuple[Tensor, Any]: ...


class AnswerState(NamedTuple):
    """Between two steps: the `decoder`'s state, and the `progress` of the rules."""

    decoder: Any
    progress: Any


class PointerNetwork(nn.Module):
    """Gives every valid answer a probability, and no other.

        P(C_1 .. C_m | points) = product over t of P(C_t | C_1 .. C_{t-1}, points)

    Args:
        pointing: reads and points.

    Example:
        >>> from ostinato.models.recurrent_pointing import RecurrentPointing
        >>> from ostinato.models.pointing_rules import rules_for
        >>> layers = ostinato.LSTM(2, 8), ostinato.LSTM(2, 8)
        >>> network = PointerNetwork(RecurrentPointing(*layers, 8))
        >>> points, lengths = torch.rand(3, 5, 2), torch.tensor([5, 5, 4])
        >>> tours = torch.tensor([[1, 3, 2, 4, 5], [1, 5, 4, 3, 2], [1, 2, 4, 3, 0]])
        >>> network.log_likelihood(rules_for("tsp"), points, lengths, tours).shape
        torch.Size([3, 5])
    """

    def __init__(self, pointing: Pointing) -> None:
        super().__init__()
        self.pointing = pointing

    def log_likelihood(
        self,
        rules: PointingRules,
        points: Tensor,
        lengths: Tensor,
        pointers: Tensor,
        *,
        read: Any = None,
    ) -> Tensor:
        """Log-probability of each pointer of given answers, all steps in one pass.

        Args:
            rules: of the problem.
            points: (batch, points, coordinates), padded.
            lengths: integers (batch,), the real points of each sample.
            pointers: integers (batch, time), valid answers, padded with END.
            read: the points as `pointing.read` gave them. None: they are read here.

        Returns:
            (batch, time); past the end of an answer 0.
        """
        allowed = allowed_along(rules, points, lengths, pointers)
        before = torch.cat([torch.full_like(pointers[:, :1], END), pointers[:, :-1]], 1)
        read = self.pointing.read(points, lengths) if read is None else read
        scores, _ = self.pointing(read, before, allowed, self.pointing.initial_state(read))
        return scores.gather(2, pointers.unsqueeze(2)).squeeze(2)

    def next_step_for(
        self, rules: PointingRules, points: Tensor, lengths: Tensor, *, read: Any = None
    ) -> tuple[Callable[[Tensor], NextStep], AnswerState]:
        """What a search takes: a next-step function for any rows, and the state before it all.

        Args:
            rules: of the problem.
            points: (batch, points, coordinates), padded.
            lengths: integers (batch,), the real points of each sample.
            read: as for `log_likelihood`.

        Returns:
            rows (rows,), the sample that each row answers -> the function (pointers (rows,),
            state) -> (log-probabilities (rows, points + 1) of the next ones, state); and the state
            (batch, ...), which is the search's to reorder, while the points that were read are not.
            END goes in first, and comes out last.
        """
        read = self.pointing.read(points, lengths) if read is None else read

        def for_rows(rows: Tensor) -> NextStep:
            # All rows of a sample stand together and share what was read of it.
            return partial(self._step, rules, select(read, rows.unique_consecutive()))

        return for_rows, AnswerState(
            self.pointing.initial_state(read), rules.start(points, lengths)
        )

    def next_step(
        self, rules: PointingRules, points: Tensor, lengths: Tensor, *, read: Any = None
    ) -> tuple[NextStep, AnswerState]:
        """`next_step_for` one answer to each sample: the function itself, and the state."""
        for_rows, state = self.next_step_for(rules, points, lengths, read=read)
        return for_rows(torch.arange(len(lengths), device=lengths.device)), state

    def _step(
        self, rules: PointingRules, read: Any, pointers: Tensor, state: AnswerState
    ) -> tuple[Tensor, AnswerState]:
        progress = rules.advance(state.progress, pointers)
        allowed = rules.allowed(progress).unsqueeze(1)
        scores, decoder = self.pointing(read, pointers.unsqueeze(1), allowed, state.decoder)
        return scores.squeeze(1), AnswerState(decoder, progress)
