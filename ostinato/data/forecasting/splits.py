"""Where training ends, validation ends and the test begins, and what training says of the scale.

Dates cut all series at the same moment: what a series learns from is never later than what another
is judged by. Whole numbers and rows without time stamps are cut at the same share of each series.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.grid import Grid
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
        for place, column in enumerate(table.columns.targets):
            there = np.flatnonzero(~np.isnan(one.values[:, place]))
            if len(there) == 0 or there[0] >= parts[name].train_end:
                raise DataError(_unseen(table, name, one, column, there, parts[name], grid))
    for place, column in enumerate(table.columns.known):
        pieces = [one.known[: parts[name].train_end, place] for name, one in series.items()]
        if all(np.isnan(piece).all() for piece in pieces):
            raise DataError(
                f"{table.name}, column {column!r}: the part to train on (the earliest share of the "
                "time) has no value of it; leave it out of --known"
            )


def _unseen(
    table: Table,
    name: str,
    one: Series,
    column: str,
    there: NDArray[np.int64],
    parts: Parts,
    grid: Grid,
) -> str:
    where = f"{table.name}, column {column!r}: {_called(name)} has no value "
    if len(there) == 0:
        return (
            where + "there; leave the series out"
            if name and len(table.series) > 1
            else where + "there; name the columns that have some with --target"
        )
    return (
        f"{where}in the part to train on, which ends before "
        f"{grid.label(one.start + parts.train_end)}; the first is at "
        f"{grid.label(one.start + int(there[0]))}: leave it out, or set --validation-fraction and "
        "--test-fraction lower"
    )


def _called(name: str) -> str:
    return f"series {name!r}" if name else "the series"


def scaling_of(series: Series, train_end: int) -> Scaling:
    """From the training part alone.

    Raises:
        DataError: a target is never seen there.
    """
    part = series.values[:train_end].astype(np.float64)
    seen = ~np.isnan(part)
    count = seen.sum(0)
    if (count == 0).any():
        raise DataError(
            f"series {series.name!r}: target number {int(np.argmin(count)) + 1} has no value in "
            "the part to train on (the earliest share of the time); leave the series out, or set "
            "--validation-fraction and --test-fraction lower"
        )
    filled = np.where(seen, part, 0.0)
    location = filled.sum(0) / count
    squares = np.where(seen, (part - location) ** 2, 0.0).sum(0) / count
    # A constant has no scale; rounding must not make it one.
    constant = squares <= (1e-6 * np.abs(location)) ** 2
    scale = np.where(constant, 1.0, np.sqrt(squares))
    return Scaling(location.astype(np.float32), scale.astype(np.float32))
