"""Tables with a time step a row: a column that names the sample, a column of classes, features."""

import re
from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.numbers import parse_numbers
from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.data.classification.table import Table, names_in_words
from ostinato.data.classification.tables import found_columns, label_place
from ostinato.data.rows_on_disk import RowsWriter
from ostinato.errors import DataError

_ISO = re.compile(r"\d{4}-?\d{2}")
_DAY_FIRST = re.compile(r"\d{1,2}([./-])(\d{1,2}|[A-Za-z]{3,9})\1\d{2,4}\b.*")
_AS_TEXT = ", and what is no number is compared as text: write dates as 2024-05-31 13:00"


def read_long(table: Table, columns: Columns, *, labelled: bool) -> SampleStream:
    """The samples in the order of their first rows.

    Rows of one sample stand in the order of time, not always together; so none is known to be whole
    before the last row of the table. What is kept in memory is where the rows of each stand.

    Raises:
        DataError: no column of numbers; while reading, a sample of two classes, or times that do
            not rise.
    """
    assert columns.series is not None
    series = table.place_of(columns.series, "--series")
    time = None if columns.time is None else table.place_of(columns.time, "--time")
    has_label = labelled or columns.label in table.columns
    label = label_place(table, columns, None) if has_label else None
    read = [place for place in range(len(table.columns)) if place not in (series, time, label)]
    if not read:
        raise DataError(
            f"{table.name} has no column of numbers beside {names_in_words(table.columns)}"
        )
    names = tuple(table.columns[place] for place in read)
    places = _Places(series, time, label, labelled, read)
    found = found_columns(columns, table, None, label)
    return SampleStream(_samples(table, places, names), table.name, names, found)


class _Places(NamedTuple):
    """Where the columns stand, from 0; None: there is none, or it is not read."""

    series: int
    time: int | None
    label: int | None
    labelled: bool
    read: list[int]


@final
class _Growing:
    """A sample as far as it was read: its class, its first row, its last time, where its rows are.

    The time is kept as it is compared and as it is written.

    `runs` holds the first row and the number of rows of each run that stands together.
    """

    __slots__ = ("label", "number", "runs", "time")

    def __init__(self, label: str | None, number: int) -> None:
        self.label, self.number = label, number
        self.time: tuple[float | str, str] | None = None
        self.runs = array("q")


def _samples(table: Table, places: _Places, names: Sequence[str]) -> Iterator[Sample]:
    growing: dict[str, _Growing] = {}
    classes: dict[str, str] = {}
    writer = RowsWriter(np.float32, (len(names),))
    before = None
    for number, cells in table.rows():
        key = cells[places.series].strip()
        known = None
        if places.label is not None and places.labelled:
            known = cells[places.label].strip()
            known = classes.setdefault(known, known)
        one = growing.get(key)
        if one is None:
            one = growing[key] = _Growing(known, number)
        if known != one.label:
            raise DataError(
                f"{table.place(number)}, column {table.columns[places.label or 0]}: the sample "
                f"{key!r} is of class {known!r} here, but {one.label!r} in {table.unit} "
                f"{one.number}"
            )
        if places.time is not None:
            (time,) = table.numbers(number, [cells[places.time]], [places.time])
            _check_time(one, time, table, number, table.columns[places.time])
        if one is before:
            one.runs[-1] += 1
        else:
            one.runs.extend((writer.count, 1))
        before = one
        read = table.numbers(number, [cells[place] for place in places.read], places.read)
        writer.append(parse_numbers(read, table.place(number), names)[None])
    rows = writer.finish()
    for key, one in growing.items():
        runs = [rows[one.runs[i] : sum(one.runs[i : i + 2])] for i in range(0, len(one.runs), 2)]
        steps: NDArray[np.float32] = runs[0] if len(runs) == 1 else np.concatenate(runs)
        yield Sample(steps, one.label, f"{table.unit} {one.number} (sample {key})")


def _check_time(one: _Growing, cell: str, table: Table, number: int, column: str) -> None:
    """Times of a sample rise; see `_time_of`."""
    now = _time_of(cell)
    if isinstance(now, str) and _DAY_FIRST.fullmatch(now):
        raise DataError(
            f"{table.place(number)}, column {column}: {cell!r} does not tell by its letters what "
            "comes after it: write dates as 2024-05-31 13:00"
        )
    last, one.time = one.time, (now, cell)
    if last is None:
        return
    before, text = last
    if type(before) is not type(now) or now <= before:  # pyright: ignore[reportOperatorIssue]
        what = "is the time of the row before it, too" if now == before else "does not follow"
        raise DataError(
            f"{table.place(number)}, column {column}: {cell!r} {what} (before it stands "
            f"{text!r}): the rows of a sample must be sorted by time"
            + (_AS_TEXT if isinstance(now, str) and not _ISO.match(now) else "")
        )


def _time_of(cell: str) -> float | str:
    """Numbers and dates with a time zone as numbers, anything else as text (ISO 8601)."""
    try:
        return float(cell)
    except ValueError:
        text = cell.strip()
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if date.tzinfo is None else date.timestamp()
