"""Tables of samples, CSV, TSV or JSON lines.

documents    a row a sample: a column of text, a column of classes
wide         a row a sample: the values of one series from left to right, a column of classes
long         a row a time step: a column that names the sample, a column of classes, features
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.numbers import parse_numbers, without_missing_end
from ostinato.data.classification.samples import Sample, Samples, collect
from ostinato.errors import DataError
from ostinato.names import nearest

_TEXT_NAMES = ("text", "sentence", "document", "sequence")
_LABEL_NAMES = ("label", "class", "category", "target")


class Table:
    """A table whose first row names the columns.

    Args:
        lines: without their ends.
        name: of the file, for messages.
        kind: csv, tsv or jsonl; the first object of the last names the columns.
        separator: joins the labels where an object of jsonl has a list of them.

    Raises:
        DataError: no rows, a repeated name; in `rows` a row of another width.
    """

    def __init__(
        self, lines: Iterable[str], name: str, kind: str, separator: str | None = None
    ) -> None:
        self.name = name
        is_objects = kind == "jsonl"
        self._cells = _objects(lines, name, separator) if is_objects else _rows(lines, name, kind)
        try:
            self.columns = [column.strip() for column in next(self._cells)[1]]
        except StopIteration:
            raise DataError(f"{name} is empty: it has no row that names the columns") from None
        if (
            kind == "csv"
            and len(self.columns) == 1
            and any(mark in self.columns[0] for mark in ";\t")
        ):
            raise DataError(
                f"{name}, line 1 is one column, {self.columns[0]!r}: the cells of a .csv have "
                "commas between; with tabs it is a .tsv, semicolons are to be changed into either"
            )
        twice = {column for column in self.columns if self.columns.count(column) > 1}
        if twice:
            raise DataError(f"{name}, line 1 names the column {min(twice)!r} twice")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with its line."""
        for line, cells in self._cells:
            if len(cells) != len(self.columns):
                raise DataError(
                    f"{self.name}, line {line} has {len(cells)} columns, but line 1 names "
                    f"{len(self.columns)}"
                )
            yield line, cells

    def place_of(self, column: str, option: str) -> int:
        """Where a column stands, from 0.

        Raises:
            DataError: there is none of this name; names the nearest.
        """
        if column not in self.columns:
            raise DataError(
                f"{self.name}, line 1 names no column {column!r} ({option}); it names "
                f"{_told(self.columns)}" + nearest(column, self.columns)
            )
        return self.columns.index(column)

    def usual(self, names: Sequence[str], option: str, taken: int | None) -> int:
        """The column that is named as such columns usually are, or is the only one left."""
        found = [place for place, name in enumerate(self.columns) if name.lower() in names]
        left = [place for place in range(len(self.columns)) if place != taken]
        if len(found) == 1:
            return found[0]
        if not found and len(left) == 1 and taken is not None:
            return left[0]
        raise DataError(
            f"{self.name}, line 1 names {_told(self.columns)}: say with {option} which it is"
        )


def read_documents(table: Table, columns: Columns, *, labelled: bool) -> Samples:
    """A text a row."""
    text = None if columns.text is None else table.place_of(columns.text, "--text")
    label = _label_place(table, columns, text) if labelled else None
    if text is None:
        text = table.usual(_TEXT_NAMES, "--text", label)
    return collect(
        (
            Sample(cells[text], None if label is None else cells[label].strip(), f"line {line}")
            for line, cells in table.rows()
        ),
        table.name,
        columns=_found(columns, table, text, label),
    )


def read_wide(table: Table, columns: Columns, *, labelled: bool) -> Samples:
    """A series a row; cells that are empty to the row's end are no part of it."""
    if labelled or columns.label in table.columns:
        label = _label_place(table, columns, None)
    else:
        label = None
    names = [name for place, name in enumerate(table.columns) if place != label]

    def samples() -> Iterator[Sample]:
        for line, cells in table.rows():
            known = None if label is None else cells.pop(label).strip()
            numbers = parse_numbers(cells, f"{table.name}, line {line}", names)
            series = without_missing_end(numbers)[:, None]
            yield Sample(series, known if labelled else None, f"line {line}")

    return collect(samples(), table.name, ("value",), _found(columns, table, None, label))


def read_long(table: Table, columns: Columns, *, labelled: bool) -> Samples:
    """A time step a row; rows of one sample stand in the order of time, not always together."""
    assert columns.series is not None
    series = table.place_of(columns.series, "--series")
    time = None if columns.time is None else table.place_of(columns.time, "--time")
    has_label = labelled or columns.label in table.columns
    label = _label_place(table, columns, None) if has_label else None
    read = [place for place in range(len(table.columns)) if place not in (series, time, label)]
    names = [table.columns[place] for place in read]
    if not read:
        raise DataError(f"{table.name} has no column of numbers beside {_told(table.columns)}")
    grown: dict[str, _Grown] = {}
    for line, cells in table.rows():
        place = f"{table.name}, line {line}"
        key = cells[series].strip()
        known = cells[label].strip() if label is not None and labelled else None
        one = grown.setdefault(key, _Grown(known, line, [], []))
        if known != one.label:
            raise DataError(
                f"{place}, column {table.columns[label or 0]}: the sample {key!r} is of class "
                f"{known!r} here, but {one.label!r} in line {one.line}"
            )
        if time is not None:
            _check_time(one, cells[time], place, table.columns[time])
        one.steps.append(parse_numbers([cells[place] for place in read], place, names))
    return collect(
        (
            Sample(np.stack(one.steps), one.label, f"line {one.line} (sample {key})")
            for key, one in grown.items()
        ),
        table.name,
        tuple(names),
        _found(columns, table, None, label),
    )


class _Grown(NamedTuple):
    """A sample of a long table, as far as it was read."""

    label: str | None
    line: int
    steps: list
    times: list


def _check_time(one: _Grown, cell: str, place: str, column: str) -> None:
    """Times of a sample rise; numbers are compared as such, anything else as text (ISO 8601)."""
    try:
        now: float | str = float(cell)
    except ValueError:
        now = cell.strip()
    if one.times:
        before = one.times[-1]
        if type(before) is not type(now) or now <= before:  # pyright: ignore[reportOperatorIssue]
            what = "is the time of the row before it, too" if now == before else "does not follow"
            raise DataError(
                f"{place}, column {column}: {cell!r} {what} (before it stands {before!r}): the "
                "rows of a sample must be sorted by time"
            )
        one.times.clear()
    one.times.append(now)


def _found(columns: Columns, table: Table, text: int | None, label: int | None) -> Columns:
    """The columns as asked for, with those that the table's names told."""
    return columns._replace(
        text=columns.text if text is None else table.columns[text],
        label=columns.label if label is None else table.columns[label],
    )


def _label_place(table: Table, columns: Columns, taken: int | None) -> int:
    if columns.label is not None:
        return table.place_of(columns.label, "--label")
    return table.usual(_LABEL_NAMES, "--label", taken)


def _told(columns: Sequence[str]) -> str:
    some = ", ".join(map(repr, columns[:12]))
    return some + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")


def _rows(lines: Iterable[str], name: str, kind: str) -> Iterator[tuple[int, list[str]]]:
    ended = (line + "\n" for line in lines)
    if kind == "tsv":  # where a quotation mark is one
        reader = csv.reader(ended, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(ended, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{name}, line {first}: {error}") from None
        if cells is None:
            return
        if cells:
            yield first, cells


def _objects(
    lines: Iterable[str], name: str, separator: str | None
) -> Iterator[tuple[int, list[str]]]:
    columns: list[str] | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{name}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{name}, line {number} must be an object of named values")
        if columns is None:
            columns = list(row)
            yield 0, columns
        missing = [column for column in columns if column not in row]
        if missing:
            raise DataError(f"{name}, line {number} has no {missing[0]!r}, as line 1 has")
        place = f"{name}, line {number}"
        yield number, [_cell(row[column], column, place, separator) for column in columns]


def _cell(value: object, column: str, place: str, separator: str | None) -> str:
    """A value of JSON as the cell of a table."""
    if not isinstance(value, list):
        return str(value)
    if separator is None:
        raise DataError(
            f"{place}: {column!r} is a list; if it holds the labels of a sample, say with "
            '--separator "|" that there can be several'
        )
    for one in value:
        if separator in str(one):
            raise DataError(f"{place}: {one!r} in {column!r} holds the separator {separator!r}")
    return separator.join(map(str, value))
