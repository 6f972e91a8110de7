"""Beam search over several sentences at once, from a next-step function and a state.

The rows that `next_step` sees are sentence-major: all hypotheses of the first sentence that is
still searched, then all of the next, the same number for each. What belongs to a row is its state,
which the search reorders. What belongs to a sentence, as an encoder's keys, is not carried and not
reordered: `next_step_for(rows)` is told which sentence each row is of, and is asked again whenever
that changes, since a sentence whose answer is certain takes no part any longer.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.decoding.beam import Beam
from ostinato.decoding.checks import forbidden_mask, refuse_what_is_no_number
from ostinato.decoding.generate import NextStep
from ostinato.decoding.hypothesis import Found, Hypothesis, Trail
from ostinato.decoding.ranking import highest
from ostinato.decoding.repeats import completes_a_repeat
from ostinato.errors import SettingsError, ShapeError
from ostinato.state import select

NextStepFor = Callable[[Tensor], NextStep]
Allowed = Callable[[Tensor, Any, Tensor], Tensor]
Collect = Callable[[Any], Tensor]


@torch.no_grad()
def beam_search(
    next_step_for: NextStepFor,
    state: Any,
    first_tokens: Tensor,
    beam: Beam,
    *,
    maximum_length: int | Tensor,
    end_index: int | None,
    allowed: Allowed | None = None,
    collect: Collect | None = None,
) -> list[list[Hypothesis]]:
    """The best sequences of tokens for each sentence. No gradients are kept.

    At each step the likeliest continuations of a sentence's hypotheses are kept, as many as
    `beam_size` less those that have ended. A sentence stops when no unfinished hypothesis can still
    score above the worst of its `best`, so that stopping changes nothing.

    Args:
        next_step_for: rows (rows,), the number of the sentence that each row is of, non-decreasing
            -> the function (tokens (rows,), state) -> (log-probabilities (rows, vocabulary),
            state) for these rows. It is asked at the beginning, where rows is 0, 1, ..., batch - 1,
            and whenever the rows' sentences change. `lambda rows: next_step` does where nothing
            depends on the sentence but the state.
        state: (batch, ...), before the first of `first_tokens` is read.
        first_tokens: integers (batch,), as the start token, or the last of a prompt.
        beam: how to search.
        maximum_length: tokens before the end at most, at least 1; for all, or integers (batch,).
            After so many only the end may follow.
        end_index: the token that ends a hypothesis. None: each ends at its maximum length, as a
            tour through so many points.
        allowed: (tokens so far (rows, steps), state after the step, rows) -> booleans
            (rows, vocabulary), True where a token may follow; rows as for `next_step_for`.
            None: any may.
        collect: state after a step -> (rows, ...), to be kept for each hypothesis, as the
            attention's weights. Its shape must stay the same but for the rows.

    Returns:
        For each sentence its `best` hypotheses (fewer where there are no more), best first.

    Raises:
        SettingsError: lengths, tokens or masks that do not fit.
        TrainingError: a model that gives NaN, or no token any chance.

    Example:
        >>> def next_step(tokens, state):  # after token n comes n + 1 most often
        ...     follows = torch.eye(5)[(tokens + 1) % 5]
        ...     return (0.9 * follows + 0.02).log(), state
        >>> sentences = beam_search(
        ...     lambda rows: next_step,
        ...     (),
        ...     torch.tensor([0, 2]),
        ...     Beam(beam_size=3),
        ...     maximum_length=8,
        ...     end_index=4,
        ... )
        >>> [best.tokens for best, in sentences]
        [[1, 2, 3], [3]]
    """
    limits = _limits(maximum_length, first_tokens)
    search = _Search(next_step_for, state, first_tokens, beam, limits, end_index, allowed)
    _refuse_lengths(search.limits, beam)
    while search.running:
        search.step(collect)
    return [search.trail.best(found, beam.best) for found in search.found]


class _Continuation(NamedTuple):
    """A hypothesis and one token more; `row` is the hypothesis's row before it."""

    log_probability: float
    row: int
    token: int


class _Search:
    """The hypotheses of the sentences that are still searched: `width` rows for each."""

    def __init__(
        self,
        next_step_for: NextStepFor,
        state: Any,
        first_tokens: Tensor,
        beam: Beam,
        limits: list[int],
        end_index: int | None,
        allowed: Allowed | None,
    ) -> None:
        batch = len(first_tokens)
        self.next_step_for = next_step_for
        self.state = state
        self.beam = beam
        self.limits = limits
        self.end_index = end_index
        self.allowed = allowed
        self.running = list(range(batch))
        self.width = 1
        self.found: list[list[Found]] = [[] for _ in range(batch)]
        self.last = first_tokens
        self.tokens = first_tokens.new_empty(batch, 0)
        self.log_probabilities = torch.zeros(batch, dtype=torch.double, device=first_tokens.device)
        self.trail = Trail()
        self.forbidden: Tensor | None = None
        self.is_end: Tensor | None = None
        self._ask_for_next_step()

    @property
    def taken(self) -> int:
        """Steps taken."""
        return len(self.trail.tokens)

    def step(self, collect: Collect | None) -> None:
        """Every hypothesis becomes its best continuations; those that are over are put aside."""
        scores, self.state = self.next_step(self.last, self.state)
        refuse_what_is_no_number(scores)
        if scores.dtype in (torch.half, torch.bfloat16):
            scores = scores.float()
        if collect is not None:
            self.trail.collected.append(collect(self.state))
        scores = self._without_what_must_not_follow(scores)
        continuations = self._best_continuations(scores)
        self._go_on(
            [
                self._sort_out(sentence, place, best)
                for place, (sentence, best) in enumerate(
                    zip(self.running, continuations, strict=True)
                )
            ]
        )

    def _without_what_must_not_follow(self, scores: Tensor) -> Tensor:
        """The scores (rows, vocabulary), minus infinity for all that is ruled out."""
        beam = self.beam
        if self.forbidden is None:
            self.forbidden = forbidden_mask(beam.forbidden, scores)
            _refuse_unknown_end(self.end_index, scores.shape[1])
            numbers = torch.arange(scores.shape[1], device=scores.device)
            self.is_end = None if self.end_index is None else numbers == self.end_index
        mask = self.forbidden if beam.forbidden else None
        if beam.unrepeated is not None:
            repeats = completes_a_repeat(self.tokens, beam.unrepeated, scores.shape[1])
            mask = _either(mask, repeats)
        if self.allowed is not None:
            refused = ~_checked(self.allowed(self.tokens, self.state, self.rows), scores)
            mask = _either(mask, refused)
        mask = self._with_end(mask, scores)
        return scores if mask is None else scores.masked_fill(mask, -math.inf)

    def _with_end(self, mask: Tensor | None, scores: Tensor) -> Tensor | None:
        """The mask with the end where it may not come yet, and all but the end where it must."""
        last = [self.limits[sentence] == self.taken for sentence in self.running]
        too_early = self.taken < self.beam.minimum_length
        is_end = self.is_end
        if is_end is None or not (too_early or any(last)):
            return mask
        if too_early:
            mask = _either(mask, is_end)
        if any(last):
            rows = torch.tensor(last, device=scores.device).repeat_interleave(self.width)
            mask = _either(mask, rows.unsqueeze(1) & ~is_end)
        return mask

    def _best_continuations(self, scores: Tensor) -> list[list[_Continuation]]:
        """For each sentence, best first; with minus infinity where there are not so many.

        Of equals the one whose hypothesis ranks higher comes first, then the lower token: a beam of
        one takes what `argmax` does. Sums are of doubles, in which different scores stay different.
        """
        size = self.beam.beam_size
        values, tokens = highest(scores, min(size, scores.shape[1]))
        each = values.shape[1]
        sentences = len(self.running)
        values = (self.log_probabilities.unsqueeze(1) + values).view(sentences, -1)
        tokens = tokens.view(sentences, -1)
        if self.width * each == 1:
            places = torch.zeros_like(tokens)
        else:
            values, places = highest(values, min(size, values.shape[1]))
            tokens = tokens.gather(1, places)
        # One message from the device in place of three; a double holds every index.
        found = torch.stack([values, places.double(), tokens.double()], 2).tolist()
        return [
            [
                _Continuation(value, first + int(place) // each, int(token))
                for value, place, token in sentence
            ]
            for first, sentence in zip(range(0, len(scores), self.width), found, strict=True)
        ]

    def _sort_out(
        self, sentence: int, place: int, continuations: list[_Continuation]
    ) -> list[_Continuation]:
        """Put aside the continuations that are over; gives those that go on, none if none needs."""
        found, step = self.found[sentence], self.taken
        room = self.beam.beam_size - len(found)
        kept = [one for one in continuations[:room] if one.log_probability > -math.inf]
        if not kept:
            self._put_aside_dead_end(sentence, place)
        going = []
        for one in kept:
            if one.token == self.end_index:
                self._put_aside(sentence, one, None)
            elif self.end_index is None and self.limits[sentence] == step + 1:
                self._put_aside(sentence, one, one.token)
            else:
                going.append(one)
        return [] if self._is_certain(sentence, going) else going

    def _put_aside(self, sentence: int, one: _Continuation, token: int | None) -> None:
        step = self.taken
        score = self.beam.score(one.log_probability, step + 1)
        self.found[sentence].append(Found(score, one.log_probability, True, step, one.row, token))

    def _put_aside_dead_end(self, sentence: int, place: int) -> None:
        """Where nothing may follow and nothing was found, what there is is better than nothing."""
        if self.found[sentence]:
            return
        step = self.taken
        first = place * self.width
        values = self.log_probabilities[first : first + self.width].tolist()
        self.found[sentence] = [
            Found(self.beam.score(value, step), value, False, step, first + number, None)
            for number, value in enumerate(values)
            if value > -math.inf
        ]

    def _is_certain(self, sentence: int, going: list[_Continuation]) -> bool:
        """Whether none of those that go on can still be among the best."""
        found, best = self.found[sentence], self.beam.best
        if not going or len(found) < best:
            return not going
        longest = self.limits[sentence] + (self.end_index is not None)
        possible = self.beam.best_possible_score(going[0].log_probability, longest)
        return possible <= sorted((one.score for one in found), reverse=True)[best - 1]

    def _go_on(self, going: list[list[_Continuation]]) -> None:
        """Reorder all that belongs to rows; sentences with nothing left drop out."""
        width = max(map(len, going))
        running = [s for s, left in zip(self.running, going, strict=True) if left]
        # Rows of a sentence with fewer hypotheses copy its first and never count.
        rows = [
            one
            for left in going
            if left
            for one in left + [left[0]._replace(log_probability=-math.inf)] * (width - len(left))
        ]
        parents, tokens = [one.row for one in rows], [one.token for one in rows]
        self.trail.parents.append(parents)
        self.trail.tokens.append(tokens)
        unchanged = parents == list(range(len(self.rows)))
        changed_shape = (running, width) != (self.running, self.width)
        self.running, self.width = running, width
        if not running:
            return
        self.last = self.last.new_tensor(tokens)
        self.log_probabilities = self.log_probabilities.new_tensor(
            [one.log_probability for one in rows]
        )
        if not unchanged:
            chosen = self.rows.new_tensor(parents)
            self.state = select(self.state, chosen)
            self.tokens = self.tokens[chosen]
        if self.allowed is not None or self.beam.unrepeated is not None:  # else nobody reads them
            self.tokens = torch.cat([self.tokens, self.last.unsqueeze(1)], 1)
        if changed_shape:
            self._ask_for_next_step()

    def _ask_for_next_step(self) -> None:
        self.rows = self.last.new_tensor(self.running, dtype=torch.long)
        self.rows = self.rows.repeat_interleave(self.width)
        self.next_step = self.next_step_for(self.rows)


def _limits(maximum_length: int | Tensor, first_tokens: Tensor) -> list[int]:
    if isinstance(maximum_length, int):
        return [maximum_length] * len(first_tokens)
    if maximum_length.shape != first_tokens.shape:
        raise ShapeError(
            f"maximum_length must have a number for each of {len(first_tokens)} sentences, got "
            f"the shape {tuple(maximum_length.shape)}"
        )
    return maximum_length.tolist()


def _refuse_lengths(limits: list[int], beam: Beam) -> None:
    shortest = min(limits, default=1)
    if shortest < max(1, beam.minimum_length):
        raise SettingsError(
            f"maximum_length must be at least {max(1, beam.minimum_length)} "
            f"(1, and minimum_length), got {shortest}"
        )


def _refuse_unknown_end(end_index: int | None, vocabulary_size: int) -> None:
    if end_index is not None and not 0 <= end_index < vocabulary_size:
        raise SettingsError(f"end_index must be from 0 to {vocabulary_size - 1}, got {end_index}")


def _either(mask: Tensor | None, other: Tensor) -> Tensor:
    return other if mask is None else mask | other


def _checked(mask: Tensor, scores: Tensor) -> Tensor:
    if mask.dtype != torch.bool or mask.shape != scores.shape:
        raise ShapeError(
            f"allowed must give booleans of the shape {tuple(scores.shape)}, got {mask.dtype} of "
            f"the shape {tuple(mask.shape)}"
        )
    return mask
