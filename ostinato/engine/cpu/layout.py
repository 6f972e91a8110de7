"""Where each sample's steps lie in memory, which thread reads them, and in which order.

Rows of one step lie together. Where all samples are equally long, step p begins at row p * samples.
Where they are not, the samples of each thread are sorted, longest first, and a step holds those
rows only that it has: nothing is computed for padding. Either way a thread walks through a table
that says for each step how many samples it has and where their rows begin, so that a reading from
the end is only another table.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cpu.division import Division


class Extent(NamedTuple):
    """All of a layout that a plan depends on.

    `rows`, `time`, `first`, `division`, `threads` as in `Layout`; `before` and `after`: the row
    where the states before and after each step begin, in the order of rows (before: None where they
    must be gathered).
    """

    rows: int
    time: int
    first: tuple[int, ...]
    division: Division
    before: int | None
    after: int
    threads: int


@dataclass(frozen=True)
class Layout:
    """Args:
    samples, time: of the batch.
    reverse: samples are read from their own last step to their first.
    rows: how many (sample, step) pairs there are.
    division: how the threads divide the loop.
    first: for each group of samples its first (in `order`), and the number of samples at the end.
    tables: (groups, time, 4) integers: a group's samples at a step; the first of their rows
        among all steps, among states before the step, among states after it.
    threads: for the products around the loop.
    lengths: (samples,), or None where all are `time` long.
    order: (samples,), which sample stands at each place; None: as given.
    """

    samples: int
    time: int
    reverse: bool
    rows: int
    division: Division
    first: tuple[int, ...]
    tables: Tensor
    threads: int = 1
    lengths: Tensor | None = None
    order: Tensor | None = None

    @cached_property
    def extent(self) -> Extent:
        """What plans depend on."""
        backward = self.order is None and self.reverse
        before = None if self.order is not None else self.samples if backward else 0
        after = 0 if backward else self.samples
        own = self.rows, self.time, self.first, self.division, before, after, self.threads
        return Extent(*own)

    # ---- into rows, and back

    def gather(self, sequence: Tensor) -> Tensor:
        """(samples, time, width), in time's order, as rows (rows, width)."""
        width = sequence.shape[2]
        if self.order is None:
            return sequence.transpose(0, 1).contiguous().view(self.rows, width)
        return sequence.reshape(-1, width).index_select(0, self._places)

    def scatter(self, rows: Tensor) -> Tensor:
        """Rows (rows, width) as (samples, time, width), zero past a sample's length."""
        width = rows.shape[1]
        if self.order is None:
            return rows.view(self.time, self.samples, width).transpose(0, 1)
        padded = rows.new_zeros(self.samples * self.time, width)
        padded.index_copy_(0, self._places, rows)
        return padded.view(self.samples, self.time, width)

    def gather_in_reading_order(self, sequence: Tensor) -> Tensor:
        """(samples, time, width), in the order the steps are read, as rows."""
        if self.order is None:
            return self.gather(sequence.flip(1) if self.reverse else sequence)
        read = self._order * self.time + self._steps
        return sequence.reshape(-1, sequence.shape[2]).index_select(0, read)

    def gather_resets(self, resets: Tensor) -> Tensor:
        """(samples, time) booleans as rows (rows, 1): 1 where the state before a step is replaced.

        Read backward, a boundary before step t stands before the reading of step t - 1.
        """
        if self.reverse:
            ends = torch.zeros_like(resets[:, :1])
            resets = torch.cat([resets[:, 1:], ends], 1)
            if self.lengths is not None:
                places = torch.arange(1, self.time + 1, device="cpu")
                resets = resets & (places < self.lengths.unsqueeze(1))
        return self.gather(resets.unsqueeze(2))

    def arrange(self, samples: Tensor) -> Tensor:
        """(samples, width) in the order of the threads' tables."""
        ordered = samples if self.order is None else samples.index_select(0, self.order)
        return ordered.contiguous()

    def restore(self, samples: Tensor) -> Tensor:
        """The opposite of `arrange`."""
        return samples if self.order is None else samples.index_select(0, self._inverse)

    # ---- states: one row a sample before the first step, then one a row of steps

    @property
    def initial_row(self) -> int:
        """Where the states before the first step begin."""
        return self.rows if self.order is None and self.reverse else 0

    def after(self, states: Tensor) -> Tensor:
        """The states after each step, in the order of rows."""
        start = self.extent.after
        return states[start : start + self.rows]

    def before(self, states: Tensor) -> Tensor:
        """The states before each step, in the order of rows."""
        if self.order is not None:
            return states.index_select(0, self._before)
        start = self.extent.before or 0
        return states[start : start + self.rows]

    def final(self, states: Tensor) -> Tensor:
        """The state after each sample's last step, (samples, width), in the order given."""
        if self.order is not None:
            return states.index_select(0, self._final)
        if not self.time:
            return states[self.initial_row : self.initial_row + self.samples].clone()
        start = 0 if self.reverse else self.rows
        return states[start : start + self.samples].clone()

    # ---- what sorted samples need besides

    @cached_property
    def _sorted_lengths(self) -> Tensor:
        assert self.lengths is not None
        return self.lengths[self.order]

    @cached_property
    def _active(self) -> Tensor:
        """(time, samples): which places are read at which step."""
        return torch.arange(self.time, device="cpu").unsqueeze(1) < self._sorted_lengths

    @cached_property
    def _read(self) -> Tensor:
        return self._active.nonzero()

    @property
    def _steps(self) -> Tensor:
        return self._read[:, 0]

    @cached_property
    def _order(self) -> Tensor:
        assert self.order is not None
        return self.order[self._read[:, 1]]

    @cached_property
    def _places(self) -> Tensor:
        steps = self._steps
        if self.reverse:
            steps = self._sorted_lengths[self._read[:, 1]] - 1 - steps
        return self._order * self.time + steps

    @cached_property
    def _rank(self) -> Tensor:
        """(time, samples): the row of a place at a step, where it is active."""
        return (self._active.flatten().cumsum(0) - 1).view(self.time, self.samples)

    @cached_property
    def _before(self) -> Tensor:
        steps, places = self._read.unbind(1)
        earlier = self.samples + self._rank[(steps - 1).clamp(min=0), places]
        return torch.where(steps == 0, places, earlier)

    @cached_property
    def _inverse(self) -> Tensor:
        assert self.order is not None
        return torch.empty_like(self.order).scatter_(
            0, self.order, torch.arange(self.samples, device="cpu")
        )

    @cached_property
    def _final(self) -> Tensor:
        lengths, places = self._sorted_lengths, torch.arange(self.samples, device="cpu")
        last = self.samples + self._rank[(lengths - 1).clamp(min=0), places]
        return torch.where(lengths == 0, places, last)[self._inverse]


@lru_cache(maxsize=64)
def even_layout(
    samples: int, time: int, division: Division, threads: int, *, reverse: bool
) -> Layout:
    """All samples are `time` long."""
    groups = division.groups
    first = tuple(samples * group // groups for group in range(groups + 1))
    steps = torch.arange(time, device="cpu")
    places = (time - 1 - steps if reverse else steps) * samples
    tables = torch.empty(groups, time, 4, dtype=torch.int64, device="cpu")
    for group in range(groups):
        start = first[group]
        tables[group, :, 0] = first[group + 1] - start
        tables[group, :, 1] = places + start
        tables[group, :, 2] = places + start + (samples if reverse else 0)
        tables[group, :, 3] = places + start + (0 if reverse else samples)
    return Layout(samples, time, reverse, samples * time, division, first, tables, threads)


def uneven_layout(
    lengths: Tensor, time: int, division: Division, threads: int, *, reverse: bool
) -> Layout:
    """Samples of these lengths, (samples,) integers on the CPU."""
    samples, groups = lengths.shape[0], division.groups
    longest_first = lengths.argsort(descending=True, stable=True)
    # Dealt out one by one, so that every group has long and short ones.
    order = torch.cat([longest_first[group::groups] for group in range(groups)])
    dealt = [len(range(group, samples, groups)) for group in range(groups)]
    first = tuple(sum(dealt[:group]) for group in range(groups + 1))
    rows = int(lengths.sum())
    tables = torch.zeros(groups, time, 4, dtype=torch.int64, device="cpu")
    layout = Layout(samples, time, reverse, rows, division, first, tables, threads, lengths, order)
    active = layout._active  # pyright: ignore[reportPrivateUsage]
    counts = torch.stack([active[:, start:stop].sum(1) for start, stop in pairwise(first)])
    starts = (counts.T.flatten().cumsum(0) - counts.T.flatten()).view(time, groups).T
    tables[:, :, 0] = counts
    tables[:, :, 1] = starts
    tables[:, 1:, 2] = samples + starts[:, :-1]
    tables[:, 0, 2] = torch.tensor(first[:-1], device="cpu")
    tables[:, :, 3] = samples + starts
    return layout
