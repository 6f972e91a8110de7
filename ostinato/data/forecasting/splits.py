"""Where training ends, validation ends and the test begins, and what training says of the scale.

Dates cut all series at the same moment: what a series learns from is never later than what another
is judged by. Whole numbers and rows without time stamps are cut at the same share of each series.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.grid import Grid
from ostinato.data.forecasting.long_rows import LongRows, pieces
from ostinato.data.forecasting.series import Series
from ostinato.data.forecasting.table import Table
from ostinato.errors import DataError


@dataclass(frozen=True)
class Parts:
    """The first rows of a series are for training, those up to `validation_end` for validation.

    Those up to `test_end` are the test; later ones are of no part.
    """

    train_end: int
    validation_end: int
    test_end: int


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of a series' targets: (targets,) each."""

    location: NDArray[np.float32]
    scale: NDArray[np.float32]


def split_by_time(
    series: Mapping[str, Series],
    validation: float,
    test: float,
    *,
    dated: bool,
    steps: tuple[int, int, int] | None = None,
) -> dict[str, Parts]:
    """The parts of every series.

    Args:
        series: by name.
        validation, test: shares of the time that the series take together.
        dated: whether steps are of a calendar that all series share.
        steps: of training, validation and test, in place of the shares.

    Raises:
        DataError: there are not so many steps.
    """
    first = min(one.start for one in series.values())
    last = max(one.end for one in series.values())
    parts = {}
    for name, one in series.items():
        start, length = (first, last - first) if dated else (one.start, len(one.values))
        if steps is not None and sum(steps) > length:
            raise DataError(
                f"the split takes {sum(steps):,} steps, and {_called(name)} has {length:,}"
            )
        lengths = steps or (
            round(length * (1 - validation - test)),
            round(length * (1 - test)) - round(length * (1 - validation - test)),
            length - round(length * (1 - test)),
        )
        cuts = [start + int(cut) for cut in np.cumsum(lengths)]
        parts[name] = Parts(*(min(max(cut - one.start, 0), len(one.values)) for cut in cuts))
    return parts


def steps_of_training(series: Mapping[str, Series], parts: Mapping[str, Parts]) -> int:
    """The steps from the first of all training parts to the last."""
    ends = [one.start + parts[name].train_end for name, one in series.items()]
    return max(ends) - min(one.start for one in series.values())


def refuse_unseen(
    table: Table, series: Mapping[str, Series], parts: Mapping[str, Parts], grid: Grid
) -> None:
    """Refuse what training would never see: a target of a series, a known column of all.

    Raises:
        DataError: names the column, the series, and where its first value is.
    """
    for name, one in series.items():
        first = _first_seen(one.values)
        for column, row in zip(table.columns.targets, first.tolist(), strict=True):
            if row >= parts[name].train_end:
                raise DataError(_unseen(table, name, one, column, row, parts[name], grid))
    known = np.zeros(len(table.columns.known), dtype=bool)
    for name, one in series.items():
        if not known.all():
            known |= _first_seen(one.known) < min(parts[name].train_end, len(one.known))
    for there, column in zip(known, table.columns.known, strict=True):
        if not there:
            raise DataError(
                f"{table.name}, column {column!r}: the part to train on (the earliest share of the "
                "time) has no value of it; leave it out of --known"
            )


def _unseen(
    table: Table,
    name: str,
    one: Series,
    column: str,
    row: int,
    parts: Parts,
    grid: Grid,
) -> str:
    where = f"{table.name}, column {column!r}: {_called(name)} has no value "
    if row == len(one.values):
        return (
            where + "there; leave the series out"
            if name and len(table.series) > 1
            else where + "there; name the columns that have some with --target"
        )
    return (
        f"{where}in the part to train on, which ends before "
        f"{grid.label(one.start + parts.train_end)}; the first is at "
        f"{grid.label(one.start + row)}: leave it out, or set --validation-fraction and "
        "--test-fraction lower"
    )


def _first_seen(rows: LongRows) -> NDArray[np.int64]:
    """The first row with a value of each column; the number of rows where there is none."""
    first, passed = np.full(rows.shape[1], len(rows), np.int64), 0
    for piece in pieces(rows):
        if len(piece) == 0:
            break
        seen = ~np.isnan(piece)
        new = seen.any(0) & (first == len(rows))
        first[new] = passed + seen.argmax(0)[new]
        passed += len(piece)
        if (first < len(rows)).all():
            break
    return first


def _called(name: str) -> str:
    return f"series {name!r}" if name else "the series"


def scaling_of(series: Series, train_end: int) -> Scaling:
    """From the training part alone.

    Raises:
        DataError: a target is never seen there.
    """
    location, squares, count = mean_and_variance(lambda: pieces(series.values, 0, train_end))
    if (count == 0).any():
        raise DataError(
            f"series {series.name!r}: target number {int(np.argmin(count)) + 1} has no value in "
            "the part to train on (the earliest share of the time); leave the series out, or set "
            "--validation-fraction and --test-fraction lower"
        )
    # A constant has no scale; rounding must not make it one.
    constant = squares <= (1e-6 * np.abs(location)) ** 2
    scale = np.where(constant, 1.0, np.sqrt(squares))
    return Scaling(location.astype(np.float32), scale.astype(np.float32))


def mean_and_variance(
    walk: Callable[[], Iterator[NDArray[np.float32]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean and variance of each column, 0 where nothing was seen, and how many values were.

    Args:
        walk: gives the rows (rows, columns) in pieces, NaN where missing, each time it is called.
    """
    total, squares, count = np.float64(0), np.float64(0), np.int64(0)
    for piece in walk():
        seen = ~np.isnan(piece)
        total = total + np.where(seen, piece.astype(np.float64), 0.0).sum(0)
        count = count + seen.sum(0)
    location = np.asarray(total) / np.maximum(count, 1)
    for piece in walk():
        apart = piece.astype(np.float64) - location
        squares = squares + np.where(np.isnan(piece), 0.0, apart**2).sum(0)
    return location, np.asarray(squares) / np.maximum(count, 1), np.asarray(count)
