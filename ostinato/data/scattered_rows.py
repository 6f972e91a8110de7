"""Rows of numbers that are written in any order; many of them lie in a file."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.rows_on_disk import Rows, RowsOnDisk, RowsWriter

_PIECE_BYTES = 1 << 20


def filled_rows(shape: tuple[int, ...], dtype: Any, number: float) -> Rows:
    """Rows that all hold one number.

    Args:
        shape: (rows, ...).
        dtype: of a number.
        number: the one.

    Raises:
        DataError: the disk is full, or the cache cannot be made.
    """
    writer = RowsWriter(dtype, shape[1:])
    row_bytes = max(1, np.dtype(dtype).itemsize * int(np.prod(shape[1:])))
    piece = np.full((max(1, _PIECE_BYTES // row_bytes), *shape[1:]), number, dtype)
    while writer.count < shape[0]:
        writer.append(piece[: shape[0] - writer.count])
    return writer.finish()


def put(rows: Rows, places: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Write rows at places (count,) that all differ, in any order."""
    if not isinstance(rows, RowsOnDisk):
        rows[places] = values
        return
    order = np.argsort(places, kind="stable")
    places, values = places[order], values[order]
    for first, stop in _runs(places):
        rows.write(int(places[first]), values[first:stop])


def take(rows: Rows, places: NDArray[np.int64]) -> NDArray[Any]:
    """The rows at places (count,) that rise."""
    if not isinstance(rows, RowsOnDisk):
        return rows[places]
    found = np.empty((len(places), *rows.shape[1:]), rows.dtype)
    for first, stop in _runs(places):
        rows.read_into(found[first:stop], int(places[first]))
    return found


def _runs(places: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Where places that rise go on one by one: the first and the end of each run."""
    if len(places):
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        yield from itertools.pairwise([0, *breaks.tolist(), len(places)])
