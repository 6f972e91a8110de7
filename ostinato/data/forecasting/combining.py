"""Several rows within one step become one, where a person says how."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Combine = Literal["mean", "sum", "last"]


def combined(
    numbers: NDArray[np.float32],
    steps: NDArray[np.int64],
    length: int,
    targets: int,
    combine: Combine,
) -> NDArray[np.float64]:
    """A row a step: (length, columns), NaN where no row of the step has a number.

    Args:
        numbers: (rows, columns), NaN where missing.
        steps: (rows,), the step of each row, rising.
        length: steps.
        targets: so many columns are targets; those after them are averaged where targets are
            summed.
        combine: "mean", "sum" or "last" of what is not missing.
    """
    there = ~np.isnan(numbers)
    shape = (length, numbers.shape[1])
    if combine == "last":
        rows = np.where(there, np.arange(len(numbers))[:, None], -1)
        latest = np.full(shape, -1)
        np.maximum.at(latest, steps, rows)
        found = np.take_along_axis(numbers.astype(np.float64), np.maximum(latest, 0), 0)
        return np.where(latest >= 0, found, np.nan)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, steps, np.where(there, numbers, 0.0))
    np.add.at(count, steps, there)
    mean = total / np.maximum(count, 1)
    if combine == "sum":
        mean[:, :targets] = total[:, :targets]
    return np.where(count > 0, mean, np.nan)
