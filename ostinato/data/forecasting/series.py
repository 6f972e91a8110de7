"""Series on a grid of equal steps; what nobody measured is missing, and stays so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.combining import Combine, steps_from_rows
from ostinato.data.forecasting.grid import Grid, grid_of
from ostinato.data.forecasting.long_rows import ComputedRows, LongRows
from ostinato.data.forecasting.table import Table
from ostinato.data.forecasting.time_stamps import dates_in_disguise
from ostinato.data.rows_on_disk import Rows, RowsOnDisk
from ostinato.errors import DataError

_FIRST_STAMPS = 1000
"""As many time stamps say what the most frequent distance is."""
_ROWS_AT_ONCE = 4096
_DAY_S = 86400
_LOCAL_DAYS = (
    "; days of a place where clocks are put on and back are not all of 24 hours: write them "
    "without time and zone, as 2024-03-31"
)
_MOST_MISSING, _LONGEST_GAP = 100, 10_000
"""A grid may have so many steps a row, and so many in all, or the frequency cannot be right."""


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
    values: LongRows
    known: LongRows

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
    longest = max(table.series.values(), key=lambda rows: rows.count)
    stamps = table.log.first_stamps(longest.number, _FIRST_STAMPS)
    date = None if table.dated else dates_in_disguise(stamps)
    if date is not None:
        written = "%Y%m%d" if len(str(stamps[0])) > len("202405") else "%Y%m"
        raise DataError(
            f"{table.name}, column {table.columns.time!r}: {stamps[0]} and those after it look "
            f"like dates, and are read as whole numbers, with gaps between months: write {date}, "
            f"or say --time-format {written}"
        )
    grid = grid_of(stamps, dated=table.dated, frequency=frequency)
    grid = replace(grid, zoned=table.kind.zoned, time_format=table.columns.time_format)
    if table.form is not None:
        grid = replace(grid, form=table.form.date, zone=table.form.zone)
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
    _refuse_between(table, grid)
    begins = _steps(grid, [rows.first_stamp for rows in table.series.values()])
    for place, name in enumerate(table.series):
        begins[place] = (starts or {}).get(name, int(begins[place]))
    lengths = _steps(grid, [rows.last_stamp for rows in table.series.values()]) - begins + 1
    _refuse_sparse(table, grid, begins, lengths)
    offsets = np.cumsum(lengths) - lengths
    whole, ends = _on_grid(table, grid, begins, offsets, int(lengths.sum()))
    targets = len(table.columns.targets)
    found = {}
    for place, name in enumerate(table.series):
        first, end, last = (int(offsets[place] + more) for more in (0, ends[place], lengths[place]))
        found[name] = Series(
            name,
            int(begins[place]),
            _cells(whole, first, end, slice(targets)),
            _cells(whole, first, last, slice(targets, None)),
        )
    return found


def _on_grid(
    table: Table,
    grid: Grid,
    begins: NDArray[np.int64],
    offsets: NDArray[np.int64],
    places: int,
) -> tuple[Rows, NDArray[np.int64]]:
    """All series one behind the other (places, columns), and how many steps end with a value.

    Args:
        table: as read.
        grid: where steps lie.
        begins: the first step of each series.
        offsets: the place of that step.
        places: steps of all.
    """
    targets = len(table.columns.targets)
    columns = targets + len(table.columns.known)
    taking = steps_from_rows(grid.combine, places, columns, targets)
    ends = np.zeros(len(begins), np.int64)
    for series, stamps, numbers in table.log.pieces():
        steps = grid.steps_of(stamps)[0] - begins[series]
        taking.add(offsets[series] + steps, numbers)
        measured = ~np.isnan(numbers[:, :targets]).all(1)
        np.maximum.at(ends, series[measured], steps[measured] + 1)
    return taking.finish(), ends


def _cells(whole: Rows, first: int, stop: int, columns: slice) -> LongRows:
    """Some rows and columns of all."""
    if not isinstance(whole, RowsOnDisk):
        return whole[first:stop, columns]
    return ComputedRows(stop - first, partial(_cells_between, whole, first, columns))


def _cells_between(
    whole: RowsOnDisk, offset: int, columns: slice, first: int, stop: int
) -> NDArray[np.float32]:
    """An array of its own: a part of what was read would keep all of it, columns and all."""
    width = len(range(*columns.indices(whole.shape[1])))
    found = np.empty((stop - first, width), whole.dtype)
    if width:
        for start in range(0, len(found), _ROWS_AT_ONCE):
            some, place = found[start : start + _ROWS_AT_ONCE], offset + first + start
            some[:] = whole[place : place + len(some)][:, columns]
    return found


def _steps(grid: Grid, stamps: Sequence[int]) -> NDArray[np.int64]:
    return grid.steps_of(np.array(stamps, np.int64))[0]


def _refuse_sparse(
    table: Table, grid: Grid, begins: NDArray[np.int64], lengths: NDArray[np.int64]
) -> None:
    for place, (name, rows) in enumerate(table.series.items()):
        length = int(lengths[place])
        if length > _MOST_MISSING * rows.count + _LONGEST_GAP:
            raise DataError(
                f"{table.name}: {_called(name)} has {rows.count:,} rows over {length:,} steps, up "
                f"to {grid.label(int(begins[place]) + length - 1)}; "
                + ("are the time stamps right?" if table.of_run else "give the right --frequency")
            )


def _refuse_between(table: Table, grid: Grid) -> None:
    for series, stamps, _ in table.log.pieces():
        between = np.flatnonzero(~grid.steps_of(stamps)[1])
        if len(between) == 0:
            continue
        place = between[0]
        name = list(table.series)[series[place]]
        size = _DAY_S if grid.months else grid.size
        day = replace(grid, anchor=int(stamps[place]), size=size, combine=None)
        stamp = replace(day, months=False, business_days=False).label(0)
        local = not table.of_run and table.kind.zoned and (grid.months or grid.size >= _DAY_S)
        raise DataError(
            f"{table.name}, column {table.columns.time!r}: {stamp} of {_called(name)} lies between "
            f"two steps of the grid, whose steps are {grid.label(0)}, {grid.label(1)}, ...; "
            + (
                "the run was trained with these"
                if table.of_run
                else "give --frequency so fine that every time stamp is a step, or --frequency "
                "with --combine, which makes all rows of a step one"
            )
            + (_LOCAL_DAYS if local else "")
        )


def _called(name: str) -> str:
    return f"series {name!r}" if name else "the series"
