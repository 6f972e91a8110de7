"""Rows come to lie on their steps: one a step, or several that become one where a person says how.

All series lie one behind the other, so that a step of a series is a place among all.
"""

from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.rows_on_disk import Rows, RowsWriter, pieces_of
from ostinato.data.scattered_rows import filled_rows, put, take

Combine = Literal["mean", "sum", "last"]


@final
class OneRowAStep:
    """Takes rows of which no two are of one step.

    Args:
        places: steps of all series.
        columns: numbers of a row.
    """

    def __init__(self, places: int, columns: int) -> None:
        self._rows = filled_rows((places, columns), np.float32, np.nan)

    def add(self, places: NDArray[np.int64], numbers: NDArray[np.float32]) -> None:
        """Take rows: their places (rows,) and numbers (rows, columns), NaN where missing."""
        put(self._rows, places, numbers)

    def finish(self) -> Rows:
        """A row a step (places, columns), NaN where no row has a number."""
        return self._rows


@final
class LastOfStep:
    """Takes rows, and keeps of each step the last number of every column; as `OneRowAStep`."""

    def __init__(self, places: int, columns: int) -> None:
        self._rows = filled_rows((places, columns), np.float32, np.nan)

    def add(self, places: NDArray[np.int64], numbers: NDArray[np.float32]) -> None:
        """As `OneRowAStep.add`; the rows of a step in their order."""
        steps, owners = np.unique(places, return_inverse=True)
        latest = take(self._rows, steps)
        for column in range(numbers.shape[1]):
            there = ~np.isnan(numbers[:, column])
            # Of several values for one place numpy assigns the last.
            latest[owners[there], column] = numbers[there, column]
        put(self._rows, steps, latest)

    def finish(self) -> Rows:
        """As `OneRowAStep.finish`."""
        return self._rows


@final
class SumOfStep:
    """Takes rows, and adds up or averages what each step has of every column.

    Args:
        places: steps of all series.
        columns: numbers of a row.
        summed: so many columns, the first, are summed; those after them are averaged.
    """

    def __init__(self, places: int, columns: int, summed: int) -> None:
        self._summed, self._columns = summed, columns
        self._sums = filled_rows((places, 2, columns), np.float64, 0)

    def add(self, places: NDArray[np.int64], numbers: NDArray[np.float32]) -> None:
        """As `OneRowAStep.add`."""
        there = ~np.isnan(numbers)
        steps, owners = np.unique(places, return_inverse=True)
        sums = take(self._sums, steps)
        np.add.at(sums[:, 0], owners, np.where(there, numbers, 0.0))
        np.add.at(sums[:, 1], owners, there)
        put(self._sums, steps, sums)

    def finish(self) -> Rows:
        """As `OneRowAStep.finish`."""
        writer = RowsWriter(np.float32, (self._columns,))
        for piece in pieces_of(self._sums):
            total, count = piece[:, 0], piece[:, 1]
            found = total / np.maximum(count, 1)
            found[:, : self._summed] = total[:, : self._summed]
            writer.append(np.where(count > 0, found, np.nan).astype(np.float32))
        return writer.finish()


def steps_from_rows(
    combine: Combine | None, places: int, columns: int, targets: int
) -> OneRowAStep | LastOfStep | SumOfStep:
    """What takes the rows.

    Args:
        combine: "mean", "sum" or "last" of what is not missing; None: a step has one row.
        places: steps of all series.
        columns: numbers of a row.
        targets: so many columns are targets; those after them are averaged where targets are
            summed.
    """
    if combine is None:
        return OneRowAStep(places, columns)
    if combine == "last":
        return LastOfStep(places, columns)
    return SumOfStep(places, columns, targets if combine == "sum" else 0)
