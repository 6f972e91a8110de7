"""Windows of history and horizon, one for each step that a forecast may begin at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.data.shuffled import Shuffled


class HorizonWindow(NamedTuple):
    """What a windowed forecaster reads for one update.

    Attributes:
        inputs: the values (batch, history, targets), 0 where missing.
        seen: booleans (batch, history, targets), False where missing.
        covariates: (batch, history, covariates).
        ahead: (batch, horizon, covariates), of the steps to come.
        targets: what came (batch, horizon, targets), 0 where nobody knows.
        counted: booleans (batch, horizon, targets), False where nobody knows.
        fresh: True: nothing is carried from the window before.
        where: the place in words, for messages.
        units: how many values count.
    """

    inputs: Tensor
    seen: Tensor
    covariates: Tensor
    ahead: Tensor
    targets: Tensor
    counted: Tensor
    fresh: bool
    where: str
    units: int


def origins_within(first: int, stop: int, horizon: int) -> NDArray[np.int64]:
    """The rows that a forecast may begin at, so that its horizon lies in the rows [first, stop).

    Example:
        >>> origins_within(10, 14, 3).tolist()
        [10, 11]
    """
    return np.arange(first, max(first, stop - horizon + 1), dtype=np.int64)


def cut_windows(
    series: Sequence[PreparedSeries],
    places: Sequence[tuple[int, int]],
    history: int,
    horizon: int,
    where: str = "",
) -> HorizonWindow:
    """The windows at some places, as one batch.

    Args:
        series: all of them.
        places: for each window its series' number and the row where its horizon begins.
        history: steps before that row; those before the first row are missing.
        horizon: steps from that row on.
        where: the place in words.
    """
    rows = [_cut(series[number], row, history, horizon) for number, row in places]
    values, seen, covariates, ahead, targets, counted = (
        torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)
    )
    units = int(counted.sum())
    return HorizonWindow(values, seen, covariates, ahead, targets, counted, True, where, units)


def history_before(series: PreparedSeries, row: int, history: int) -> list[NDArray[Any]]:
    """Values, seen and covariates of so many steps before a row; 0 before the first row."""
    first, lacking = max(0, row - history), max(0, history - row)
    return [
        np.pad(part[first:row], ((lacking, 0), (0, 0))) if lacking else part[first:row]
        for part in (series.values, series.seen, series.covariates)
    ]


@dataclass(frozen=True)
class HorizonSource:
    """Draws windows from the training parts: in an epoch every one once, in an order of its own.

    Args:
        series: all of them.
        train_ends: rows of each that are for training; no later one is ever read.
        batch_size: windows of an update.
        history, horizon: steps. The first window of a series has a whole history where the
            training part is long enough for it.
        seed: where chance comes from.
        rank, world_size: this process among those of the run; each takes its rows of every batch.
    """

    series: Sequence[PreparedSeries]
    train_ends: Sequence[int]
    batch_size: int
    history: int
    horizon: int
    seed: int
    rank: int = 0
    world_size: int = 1

    def origins(self) -> list[NDArray[np.int64]]:
        """The rows that windows of each series begin their horizon at."""
        return [
            origins_within(first, end, self.horizon)
            for first, end in zip(self.first_origins(), self.train_ends, strict=True)
        ]

    def first_origins(self) -> list[int]:
        """The first row that a window of each series begins its horizon at."""
        return [max(1, min(self.history, end - self.horizon)) for end in self.train_ends]

    def epoch(self, number: int) -> "EpochOfHorizons":
        """The windows of an epoch."""
        return EpochOfHorizons(self, number)


class EpochOfHorizons:
    """A length, and each batch of windows by its number, cut when it is asked for."""

    def __init__(self, source: HorizonSource, number: int) -> None:
        self.source = source
        self.number = number
        self.firsts = np.array(source.first_origins(), dtype=np.int64)
        ends = np.array(source.train_ends, dtype=np.int64)
        self.counts = np.maximum(0, ends - source.horizon + 1 - self.firsts)
        self.order = Shuffled(int(self.counts.sum()), (source.seed, number))

    def __len__(self) -> int:
        return -(-len(self.order) // self.source.batch_size)

    def __getitem__(self, index: int) -> HorizonWindow:
        source, size = self.source, self.source.batch_size
        batch = self.order[index * size : (index + 1) * size]
        mine = np.array_split(batch, source.world_size)[source.rank]
        taken = mine if len(mine) else batch[:1]
        behind = np.cumsum(self.counts)
        owners = np.searchsorted(behind, taken, side="right")
        begins = self.firsts[owners] + taken - (behind - self.counts)[owners]
        places = list(zip(owners.tolist(), begins.tolist(), strict=True))
        where = f"batch {index} of epoch {self.number}"
        window = cut_windows(source.series, places, source.history, source.horizon, where)
        if len(mine):
            return window
        # Of a short last batch a process may have no row; what it takes does not count.
        return window._replace(counted=torch.zeros_like(window.counted), units=0)


def _cut(series: PreparedSeries, row: int, history: int, horizon: int) -> tuple[NDArray, ...]:
    """inputs, seen, covariates, ahead, targets, counted of one window."""
    after = slice(row, row + horizon)
    before = history_before(series, row, history)
    return (*before, series.covariates[after], series.values[after], series.seen[after])
