"""Rows of a series that may be more than memory holds: cut when asked for, and walked in pieces.

What is summed over a series is summed over pieces of a size that does not depend on where the rows
lie, so that a sum is the same to the last bit in memory and on disk.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

_PIECE_NUMBERS = 1 << 20


@final
class ComputedRows:
    """Rows that are computed when they are asked for; a slice of them is an array.

    Args:
        count: rows.
        between: the rows [first, stop), an array (stop - first, ...); what is pickled to be read by
            other processes.
    """

    def __init__(self, count: int, between: Callable[[int, int], NDArray[Any]]) -> None:
        nothing = between(0, 0)
        self.shape = (count, *nothing.shape[1:])
        self.dtype = nothing.dtype
        self.between = between

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, step = rows.indices(len(self))
        assert step == 1
        return self.between(start, max(start, stop))


LongRows = NDArray[Any] | ComputedRows


def pieces(
    rows: LongRows, first: int = 0, stop: int | None = None, *, before: int = 0
) -> Iterator[NDArray[Any]]:
    """The rows [first, stop) in their order, some at a time; at least one piece.

    Args:
        rows: (rows, ...).
        first, stop: which; None: to the last.
        before: rows in front of each piece that it begins with, too.
    """
    stop = len(rows) if stop is None else min(stop, len(rows))
    count = max(1, _PIECE_NUMBERS // max(1, int(np.prod(rows.shape[1:]))))
    for start in range(first, max(stop, first + 1), count):
        yield rows[start - before : min(start + count, stop)]


def rows_until(rows: LongRows, stop: int) -> LongRows:
    """The first rows, not cut yet."""
    if isinstance(rows, ComputedRows):
        return ComputedRows(min(stop, len(rows)), rows.between)
    return rows[:stop]


def joined_pieces(many: Iterable[Iterator[NDArray[Any]]]) -> Iterator[NDArray[Any]]:
    """Pieces of many series one after the other, short ones together."""
    waiting: list[NDArray[Any]] = []
    numbers = 0
    for one in many:
        for piece in one:
            waiting.append(piece)
            numbers += piece.size
            if numbers >= _PIECE_NUMBERS:
                yield np.concatenate(waiting)
                waiting, numbers = [], 0
    if waiting:
        yield np.concatenate(waiting)
