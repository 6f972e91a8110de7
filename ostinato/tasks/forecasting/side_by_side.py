"""Many series read side by side: what each would come to by itself, in fewer calls."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.state import map_state, select, stack, unstack
from ostinato.tasks.forecasting.reading import PIECE, Forecaster, Heard, first_read, read_piece

_MOST_TOGETHER = 256
_STEPS_TOGETHER = 1 << 15
"""Of all series that are read side by side, in one call: what bounds the memory."""


class Stretch(NamedTuple):
    """Rows of a series to read.

    Attributes:
        series: as the model reads it.
        start, stop: rows.
        state: the state before row `start`, of a batch of one. None: the initial.
    """

    series: PreparedSeries
    start: int
    stop: int
    state: Any = None

    @property
    def steps(self) -> int:
        """How many rows there are."""
        return max(0, self.stop - self.start)


@torch.no_grad()
def read_side_by_side(
    model: Forecaster, stretches: Sequence[Stretch], told: Heard | None = None
) -> list[Any]:
    """The state after each stretch, of a batch of one.

    Args:
        model: in evaluation mode.
        stretches: of any lengths; those of about the same length are read together.
        told: hears the parameters, values and seen of each piece, of some series at once; of an
            autoregressive model.
    """
    stretches = [one._replace(start=first_read(model, one.start, one.stop)) for one in stretches]
    found: list[Any] = [None] * len(stretches)
    for numbers in _batches([one.steps for one in stretches]):
        together = [stretches[number] for number in numbers]
        for number, state in zip(numbers, _read_together(model, together, told), strict=True):
            found[number] = state
    return found


def _batches(steps: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of the stretches, the shortest first, as many together as the limits allow."""
    batch: list[int] = []
    for number in sorted(range(len(steps)), key=steps.__getitem__):
        at_once = min(PIECE, max(1, steps[number]))
        if batch and len(batch) >= min(_MOST_TOGETHER, max(1, _STEPS_TOGETHER // at_once)):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _read_together(
    model: Forecaster, stretches: Sequence[Stretch], told: Heard | None
) -> Iterator[Any]:
    """The state after each stretch; they come with the shortest first, which leave when read."""
    initial = model.initial_state(1)
    state = stack([initial if one.state is None else one.state for one in stretches])
    waiting, read = list(stretches), 0
    while waiting:
        ended = [one for one in waiting if one.steps == read]
        if ended:
            # A slice would keep all that it was cut from.
            yield from unstack(map_state(torch.clone, select(state, slice(len(ended)))))
            waiting, state = waiting[len(ended) :], select(state, slice(len(ended), None))
            continue
        after = min(waiting[0].steps, read + PIECE)
        rows = [(one.series, slice(one.start + read, one.start + after)) for one in waiting]
        state, read = read_piece(model, rows, state, told), after
