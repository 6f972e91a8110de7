"""Series on a grid of equal steps; what nobody measured is missing, and stays so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.combining import Combine, combined
from ostinato.data.forecasting.grid import Grid, grid_of
from ostinato.data.forecasting.table import SeriesRows, Table
from ostinato.data.forecasting.time_stamps import dates_in_disguise
from ostinato.errors import DataError

_FIRST_STAMPS = 1000
"""As many time stamps say what the most frequent distance is."""
_MOST_MISSING = 100
"""A grid may have so many steps a row, or the frequency cannot be right."""


@dataclass(frozen=True)
class Series:
    """One series.

    Args:
        name: of the series.
        start: the step of its first row.
        values: (time, targets), NaN where missing. The last row holds a value.
        known: (time and later, known columns): also of steps after the last value.
    """

    name: str
    start: int
    values: NDArray[np.float32]
    known: NDArray[np.float32]

    @property
    def end(self) -> int:
        """The step after the last."""
        return self.start + len(self.values)


def first_grid(table: Table, frequency: str | None, combine: Combine | None = None) -> Grid:
    """The grid of a table that is read for the first time; see `grid_of`.

    Args:
        table: as read.
        frequency: a step; None: the most frequent distance.
        combine: how rows within one step become one. None: every time stamp must be a step.

    Raises:
        DataError: dates that are written as whole numbers.
        SettingsError: as `grid_of`.
    """
    if not table.has_stamps:
        return Grid()
    longest = max(table.series.values(), key=lambda rows: len(rows.stamps))
    stamps = longest.stamps[:_FIRST_STAMPS]
    date = None if table.dated else dates_in_disguise(stamps)
    if date is not None:
        raise DataError(
            f"{table.name}, column {table.columns.time!r}: {stamps[0]} and those after it look "
            f"like dates, and are read as whole numbers, with gaps between months: write {date}"
        )
    grid = grid_of(stamps, dated=table.dated, frequency=frequency)
    grid = replace(grid, zoned=table.kind.zoned)
    return grid if combine is None else grid.combining(combine)


def to_series(
    table: Table, grid: Grid, *, starts: Mapping[str, int] | None = None
) -> dict[str, Series]:
    """Every series of a table on the grid; steps without a row are missing.

    Args:
        table: as read.
        grid: where steps lie.
        starts: for each series the step to begin with, where rows go on from earlier ones.

    Raises:
        DataError: a time stamp between two steps, or a series without any value.
    """
    return {
        name: _on_grid(name, rows, table, grid, (starts or {}).get(name))
        for name, rows in table.series.items()
    }


def _on_grid(name: str, rows: SeriesRows, table: Table, grid: Grid, start: int | None) -> Series:
    targets = len(table.columns.targets)
    numbers = np.array(rows.values, dtype=np.float32).reshape(len(rows.stamps), -1)
    steps = _steps(name, rows, table, grid)
    start = int(steps[0]) if start is None else start
    length = int(steps[-1]) - start + 1
    if length > _MOST_MISSING * (len(steps) + 1):
        raise DataError(
            f"{table.name}: {_called(name)} has {len(steps):,} rows over {length:,} steps, up to "
            f"{grid.label(int(steps[-1]))}; "
            + ("are the time stamps right?" if table.of_run else "give the right --frequency")
        )
    whole = np.full((length, numbers.shape[1]), np.nan, dtype=np.float32)
    if grid.combine is None:
        whole[steps - start] = numbers
    else:
        whole[:] = combined(numbers, steps - start, length, targets, grid.combine)
    measured = np.flatnonzero(~np.isnan(whole[:, :targets]).all(1))
    end = int(measured[-1]) + 1 if len(measured) else 0
    return Series(name, start, whole[:end, :targets], whole[:, targets:])


def _steps(name: str, rows: SeriesRows, table: Table, grid: Grid) -> NDArray[np.int64]:
    found = [grid.step_of(stamp) for stamp in rows.stamps]
    between = next((place for place, step in enumerate(found) if step is None), None)
    if between is not None:
        stamp = Grid(0, 1, dated=grid.dated, zoned=grid.zoned).label(rows.stamps[between])
        raise DataError(
            f"{table.name}, column {table.columns.time!r}: {stamp} of {_called(name)} lies between "
            f"two steps of the grid, whose steps are {grid.label(0)}, {grid.label(1)}, ...; "
            + (
                "the run was trained with these"
                if table.of_run
                else "give --frequency so fine that every time stamp is a step, or --frequency "
                "with --combine, which makes all rows of a step one"
            )
        )
    return np.array(found, dtype=np.int64)


def _called(name: str) -> str:
    return f"series {name!r}" if name else "the series"
