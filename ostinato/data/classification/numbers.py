"""Cells of a table as numbers, with the place of whatever is none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import DataError

_MISSING = ("", "?", "na", "n/a", "nan", "null", "none")


def parse_numbers(
    cells: Sequence[str], place: str, columns: Sequence[str] | None = None
) -> NDArray[np.float32]:
    """The numbers of some cells, NaN where one is missing (empty, ?, NA, NaN).

    Args:
        cells: as they stand in the file.
        place: file and line, for messages.
        columns: the name of each cell's column. None: they are counted from 1.

    Raises:
        DataError: a cell that is no finite number; names its column.
    """
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        numbers = []
    if len(numbers) != len(cells) or not all(map(math.isfinite, numbers)):
        names = [str(place) for place in range(1, len(cells) + 1)] if columns is None else columns
        numbers = [_number(cell, place, name) for cell, name in zip(cells, names, strict=True)]
    return np.array(numbers, np.float32)


def _number(cell: str, place: str, column: str) -> float:
    if cell.strip().lower() in _MISSING:
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        raise DataError(
            f"{place}, column {column}: {cell!r} is no number (missing values are empty, ? or NA)"
        ) from None
    if not math.isfinite(number):
        raise DataError(f"{place}, column {column}: {cell!r} is not finite")
    return number


def without_missing_end(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """A series up to its last value: shorter ones are filled up with missing values in tables."""
    known = np.flatnonzero(~np.isnan(numbers))
    return numbers[: known[-1] + 1] if len(known) else numbers[:0]
