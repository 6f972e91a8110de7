"""Series of different lengths in one array."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.data.rows_on_disk import Rows, padded_rows


@dataclass(frozen=True)
class RaggedSteps:
    """Series of numbers, one after the other.

    Attributes:
        steps: (all steps, feature); on disk where they are many.
        starts: where each series begins.
        lengths: how many steps each has.
    """

    steps: Rows
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __getitem__(self, number: int) -> NDArray[np.float32]:
        start = self.starts[number]
        return self.steps[start : start + self.lengths[number]]

    def padded(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """These series as (batch, time, feature), 0 behind each; and where they are real."""
        return padded_rows(self.steps, self.starts[numbers], self.lengths[numbers])


def fold_steps(series: NDArray[np.float32], fold: int) -> NDArray[np.float32]:
    """Every `fold` steps of (time, feature) side by side as one; 0 fills up the last."""
    if fold == 1:
        return series
    padded = np.pad(series, ((0, -len(series) % fold), (0, 0)))
    return padded.reshape(-1, fold * series.shape[1])
