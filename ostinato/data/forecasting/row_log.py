"""The rows of a table in the order of its file: which series, when, and the numbers."""

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.rows_on_disk import Rows, RowsWriter

_WAITING_ROWS = 4096
_MOST_LOST = 0.1
"""Of the changes from row to row."""
_PIECE_ROWS = 1 << 16


class LoggedRows(NamedTuple):
    """Some rows, one after the other.

    Attributes:
        series: the number of each row's series (rows,).
        stamps: time stamps (rows,).
        numbers: targets and known columns (rows, columns), NaN where missing.
    """

    series: NDArray[np.int32]
    stamps: NDArray[np.int64]
    numbers: NDArray[np.float32]


@final
class RowLog:
    """Takes rows one by one, and gives them back some at a time; many of them lie on disk.

    Args:
        columns: numbers of a row.
    """

    def __init__(self, columns: int) -> None:
        self.count = 0
        self._columns = columns
        self._series, self._stamps, self._numbers = array("i"), array("q"), array("d")
        self._changes, self._lost = np.zeros((2, columns), np.int64)
        self._writers = (
            RowsWriter(np.int32),
            RowsWriter(np.int64),
            RowsWriter(np.float32, (columns,)),
        )
        self._rows: tuple[Rows, Rows, Rows] | None = None

    def append(self, series: int, stamp: int, numbers: Sequence[float]) -> None:
        """Take one row, before any is read."""
        self._series.append(series)
        self._stamps.append(stamp)
        self._numbers.extend(numbers)
        self.count += 1
        if len(self._series) == _WAITING_ROWS:
            self._put_waiting()

    def pieces(self) -> Iterator[LoggedRows]:
        """All rows in their order."""
        if self._rows is None:
            self._put_waiting()
            series, stamps, numbers = self._writers
            self._rows = series.finish(), stamps.finish(), numbers.finish()
        for first in range(0, self.count, _PIECE_ROWS):
            yield LoggedRows(*(part[first : first + _PIECE_ROWS] for part in self._rows))

    def first_stamps(self, series: int, most: int) -> list[int]:
        """The first time stamps of a series, at most so many."""
        found: list[int] = []
        for piece in self.pieces():
            found += piece.stamps[piece.series == series].tolist()
            if len(found) >= most:
                break
        return found[:most]

    @property
    def too_coarse(self) -> list[int]:
        """Columns in which many rows that follow each other differ, and no more as 32-bit floats.

        As those of numbers near 100,000,000 that change by 3: what is near there lies 8 apart.
        """
        if self._rows is None:
            self._put_waiting()
        return np.flatnonzero(self._lost > _MOST_LOST * self._changes).tolist()

    def _put_waiting(self) -> None:
        series, stamps, numbers = self._writers
        owners = np.array(self._series, np.int32)
        exact = np.array(self._numbers, np.float64).reshape(-1, self._columns)
        kept = exact.astype(np.float32)
        series.append(owners)
        stamps.append(np.array(self._stamps, np.int64))
        numbers.append(kept)
        # By less or greater, for NaN differs from itself.
        apart = (exact[1:] < exact[:-1]) | (exact[1:] > exact[:-1])
        apart &= (owners[1:] == owners[:-1])[:, None]
        self._changes += apart.sum(0)
        self._lost += (apart & (kept[1:] == kept[:-1])).sum(0)
        for waiting in (self._series, self._stamps, self._numbers):
            del waiting[:]
