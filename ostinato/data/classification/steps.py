"""Series of different lengths in one array."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RaggedSteps:
    """Series of numbers, one after the other.

    Attributes:
        steps: (all steps, feature).
        starts: where each series begins.
        lengths: how many steps each has.
    """

    steps: NDArray[np.float32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def padded(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """These series as (batch, time, feature), 0 behind each; and where they are real."""
        lengths = self.lengths[numbers, None]
        places = np.arange(lengths.max())
        real = places < lengths
        steps = self.steps[np.where(real, self.starts[numbers, None] + places, 0)]
        steps[~real] = 0
        return steps, real


def join_series(series: Sequence[NDArray[np.float32]]) -> RaggedSteps:
    """Series (time, feature) in one array, in their order."""
    lengths = np.array([len(one) for one in series], np.int64)
    return RaggedSteps(np.concatenate(series), np.cumsum(lengths) - lengths, lengths)


def fold_steps(series: NDArray[np.float32], fold: int) -> NDArray[np.float32]:
    """Every `fold` steps of (time, feature) side by side as one; 0 fills up the last."""
    if fold == 1:
        return series
    padded = np.pad(series, ((0, -len(series) % fold), (0, 0)))
    return padded.reshape(-1, fold * series.shape[1])
