"""Windows of many series side by side, each going on where the one before it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ostinato.data.forecasting.prepared import PreparedSeries

MOST_IN_A_CHAIN = 8


class ForecastWindow(NamedTuple):
    """What the training loop reads for one update.

    Attributes:
        inputs: the values (batch, time, targets), 0 where missing.
        seen: booleans (batch, time, targets), False where missing.
        covariates: (batch, time, covariates), known of each step.
        counted: booleans (batch, time, targets): what was seen of the part to train on.
        fresh: whether nothing is carried from the window before.
        where: the place in words, for messages.
        units: how many values count.
    """

    inputs: Tensor
    seen: Tensor
    covariates: Tensor
    counted: Tensor
    fresh: bool
    where: str
    units: int


@dataclass(frozen=True)
class WindowSource:
    """Draws windows from the training parts.

    A chain of windows begins at random places of random series (long ones more often) with the
    initial state; state is carried along the chain. What is drawn depends on the seed, the epoch
    and the chain alone.

    Args:
        series: all of them.
        train_ends: rows of each that are for training; no later one is ever read.
        batch_size: chains side by side.
        window: steps of a window.
        seed: where chance comes from.
        rank, world_size: this process among those of the run; each takes its rows of every batch.
    """

    series: Sequence[PreparedSeries]
    train_ends: Sequence[int]
    batch_size: int
    window: int
    seed: int
    rank: int = 0
    world_size: int = 1

    @property
    def chain(self) -> int:
        """Windows of a chain: as many as the longest series has, at most 8."""
        return min(MOST_IN_A_CHAIN, -(-max(self.train_ends) // self.window))

    def epoch(self, number: int) -> "EpochOfWindows":
        """The windows of an epoch: about as many steps as there are to train on."""
        return EpochOfWindows(self, number)


class EpochOfWindows:
    """A length, and each window by its number, cut when it is asked for."""

    def __init__(self, source: WindowSource, number: int) -> None:
        self.source = source
        self.number = number

    def __len__(self) -> int:
        source = self.source
        chain_steps = source.batch_size * source.window * source.chain
        return max(1, -(-sum(source.train_ends) // chain_steps)) * source.chain

    def __getitem__(self, index: int) -> ForecastWindow:
        source = self.source
        chain, place = divmod(index, source.chain)
        ends = np.array(source.train_ends)
        chance = np.random.default_rng((source.seed, self.number, chain))
        chosen = chance.choice(len(ends), source.batch_size, p=ends / ends.sum())
        free = np.maximum(ends[chosen] - source.chain * source.window, 0)
        starts = chance.integers(0, free + 1) + place * source.window
        mine = np.array_split(np.arange(source.batch_size), source.world_size)[source.rank]
        rows = [
            _cut(source.series[number], source.train_ends[number], int(start), source.window)
            for number, start in zip(chosen[mine], starts[mine], strict=True)
        ]
        values, seen, covariates = (
            torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)
        )
        return ForecastWindow(
            values,
            seen,
            covariates,
            seen,
            place == 0,
            f"window {index} of epoch {self.number}",
            int(seen.sum()),
        )


def _cut(series: PreparedSeries, end: int, start: int, window: int):
    """Values, seen and covariates of a window; what lies past the training part was not seen."""
    stop = min(start + window, end)
    parts = (series.values, series.seen, series.covariates)
    cut = [part[start:stop] for part in parts]
    missing = window - len(cut[0])
    if missing:
        cut = [np.pad(part, ((0, missing), (0, 0))) for part in cut]
    return cut
