"""A CSV file, read row by row: what each series has at each time stamp."""

import csv
import math
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, NoReturn

from ostinato.data.forecasting.time_stamps import parse_stamp
from ostinato.errors import DataError

ONLY_SERIES = ""
"""The name of a table's only series, where no column names series."""
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


@dataclass(frozen=True)
class Columns:
    """Which column is what.

    Args:
        time: with the time stamps. None: the first column if its first value is a date, else there
            are none, and every row is one step.
        targets: to be forecast. Empty: all that are nothing else.
        series: with the name of the series that a row belongs to. None: there is one series.
        known: whose future is known.
    """

    time: str | None = None
    targets: tuple[str, ...] = ()
    series: str | None = None
    known: tuple[str, ...] = ()


@dataclass
class SeriesRows:
    """The rows of one series: time stamps, and rows of targets and known columns, NaN: missing."""

    stamps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("f"))
    last_row: int = 0


@dataclass(frozen=True)
class Table:
    """All series of a file, and the columns as they turned out to be."""

    name: str
    columns: Columns
    dated: bool
    series: dict[str, SeriesRows]

    @property
    def has_stamps(self) -> bool:
        """Whether a column holds time stamps."""
        return self.columns.time is not None


def read_table(
    path: Path | str, columns: Columns, *, after: Mapping[str, tuple[int, str]] | None = None
) -> Table:
    """Read a table with a header; memory holds the numbers of its used columns only.

    Args:
        path: a CSV file; "-": standard input.
        columns: which is what.
        after: for each series the time stamp that its first row must come after, and its label.

    Raises:
        DataError: no such column, a value that is no number, or time stamps that do not rise;
            names file, row and column.
    """
    name = "standard input" if str(path) == "-" else str(path)
    with _opened(path) as file:
        reader = csv.reader(file, skipinitialspace=True)
        try:
            return _read(reader, name, columns, after or {})
        except csv.Error as problem:
            raise DataError(f"{name}, row {reader.line_num}: {problem}") from None


def _read(reader: Any, name: str, columns: Columns, after: Mapping[str, tuple[int, str]]) -> Table:
    header = next(reader, None)
    if not header:
        raise DataError(f"{name} is empty: the first row must name the columns")
    rows = _rows(reader, header, name)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{name} has no rows below its header")
    columns = _resolve(columns, header, first[1], name)
    row_reader = _RowReader(name, header, columns, after)
    row_reader.add(*first)
    for number, row in rows:
        row_reader.add(number, row)
    return Table(name, columns, row_reader.dated, row_reader.series)


class _RowReader:
    """Takes rows, one after the other, to the series that they belong to."""

    def __init__(
        self,
        name: str,
        header: Sequence[str],
        columns: Columns,
        after: Mapping[str, tuple[int, str]],
    ) -> None:
        self.name, self.after = name, after
        self.time = None if columns.time is None else header.index(columns.time)
        self.group = None if columns.series is None else header.index(columns.series)
        self.wanted = [(header.index(one), one) for one in (*columns.targets, *columns.known)]
        self.time_name = columns.time
        self.dated = False
        self.kind_known = False
        self.series: dict[str, SeriesRows] = {}

    def add(self, number: int, row: Sequence[str]) -> None:
        """Take one row."""
        group = ONLY_SERIES if self.group is None else row[self.group].strip()
        series = self.series.setdefault(group, SeriesRows())
        series.stamps.append(self._stamp(series, group, number, row))
        series.last_row = number
        series.values.extend(
            [self._number(row[place], number, column) for place, column in self.wanted]
        )

    def _stamp(self, series: SeriesRows, group: str, number: int, row: Sequence[str]) -> int:
        before = series.stamps[-1] if series.stamps else None
        where = f"row {series.last_row}"
        if before is None and group in self.after:
            before, where = self.after[group]
        if self.time is None:
            return 0 if before is None else before + 1
        text = row[self.time]
        try:
            stamp, dated = parse_stamp(text)
        except (ValueError, OverflowError):
            self._refuse(
                number, self.time_name, f"expected a date as 2024-05-31 13:00, got {text!r}"
            )
        if self.kind_known and dated != self.dated:
            self._refuse(number, self.time_name, f"dates and plain numbers are mixed: {text!r}")
        self.dated, self.kind_known = dated, True
        if before is not None and stamp <= before:
            how = "repeats the time stamp of" if stamp == before else "comes before that of"
            of = f" of series {group!r}" if group else ""
            self._refuse(
                number,
                self.time_name,
                f"{text!r} {how} {where}{of}; every series must be sorted by time, a row a time"
                + ("" if self.group is not None else " (several series in one file need --series)"),
            )
        return stamp

    def _number(self, text: str, number: int, column: str) -> float:
        try:
            value = float(text)
        except ValueError:
            if text.strip().lower() in _MISSING:
                return math.nan
            self._refuse(number, column, f"expected a number or nothing, got {text!r}")
        if math.isinf(value) or abs(value) > 3e38:
            self._refuse(number, column, f"{text!r} is too large")
        return value

    def _refuse(self, number: int, column: str | None, problem: str) -> NoReturn:
        raise DataError(f"{self.name}, row {number}, column {column!r}: {problem}")


def _rows(reader: Any, header: Sequence[str], name: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows with their line numbers in the file; empty lines are passed over."""
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{name}, row {reader.line_num}: {len(row)} values, but the header names "
                f"{len(header)} columns"
            )
        yield reader.line_num, row


def _resolve(columns: Columns, header: Sequence[str], first: Sequence[str], name: str) -> Columns:
    """The columns with what was left open filled in from the header and the first row."""
    if len(set(header)) != len(header):
        raise DataError(f"{name}: a column's name stands in the header twice")
    for option, wanted in (
        ("--time", [columns.time]),
        ("--series", [columns.series]),
        ("--target", columns.targets),
        ("--known", columns.known),
    ):
        for column in wanted:
            if column is not None and column not in header:
                close = get_close_matches(column, header, n=1, cutoff=0.5)
                meant = f"; did you mean {close[0]!r}?" if close else ""
                raise DataError(
                    f"{name} has no column {column!r} ({option}); it has {', '.join(header)}{meant}"
                )
    time = columns.time
    if time is None and header[0] not in (columns.series, *columns.targets, *columns.known):
        time = header[0] if _is_date(first[0]) else None
    others = (time, columns.series, *columns.known)
    targets = columns.targets or tuple(one for one in header if one not in others)
    both = [one for one in targets if one in others]
    if both or not targets:
        raise DataError(
            f"{name}: column {both[0]!r} cannot be a target and something else too"
            if both
            else f"{name} has no column left to forecast"
        )
    return Columns(time, targets, columns.series, columns.known)


def _is_date(text: str) -> bool:
    try:
        return parse_stamp(text)[1]
    except (ValueError, OverflowError):
        return False


@contextmanager
def _opened(path: Path | str) -> Iterator[IO[str]]:
    """The file as text: UTF-8, else Latin-1, of which every byte is a character."""
    if str(path) == "-":
        yield sys.stdin
        return
    try:
        with open(path, "rb") as file:
            file.read(1 << 20).decode("utf-8", errors="strict")
        encoding = "utf-8-sig"
    except UnicodeDecodeError as problem:
        # A character may be cut where the piece ends.
        encoding = "utf-8-sig" if problem.end >= (1 << 20) - 3 else "latin-1"
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from None
    with open(path, encoding=encoding, newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as problem:
            raise DataError(f"{path} is neither UTF-8 nor Latin-1 throughout: {problem}") from None
