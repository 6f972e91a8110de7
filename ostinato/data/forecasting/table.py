"""A table, read row by row: what each series has at each time stamp."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ostinato.data.forecasting.columns import Columns, check_header, resolve_columns
from ostinato.data.forecasting.row_log import RowLog
from ostinato.data.forecasting.rows import Rows, open_rows
from ostinato.data.forecasting.time_formats import TimeFormat
from ostinato.data.forecasting.time_stamps import (
    StampForm,
    StampKind,
    common_form,
    form_of,
    kind_of,
    looks_like_date,
    parse_stamp,
    refusal_of,
)
from ostinato.data.text_reading import Progress
from ostinato.errors import DataError

ONLY_SERIES = ""
"""The name of a table's only series, where no column names series."""
_ONE_BELOW_THE_OTHER = "; several series stand one below the other, a row a time"
_LARGEST = 3e38
_TOLD_ROWS = 1 << 16
"""Rows between two words of how far the reading is."""
_SORT = "; every series must be sorted by time, a row a time"
_PUT_BACK_S = 3600
_CLOCKS = (
    "; where clocks are put back an hour comes twice: write time stamps with their zone, as "
    "2024-10-27 02:00+01:00"
)
_OTHER_FORMS = "; another form is told by --time-format, as '%d.%m.%Y %H:%M'"
_MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})


@dataclass
class SeriesRows:
    """What is known of the rows of one series; its numbers are in the log.

    Args:
        number: of the series in the log.
        static: what the static columns hold, as text; empty where nothing is said.
        first_stamp, last_stamp: time stamps.
        count: rows.
        last_row: the row of the file that was the last.
    """

    number: int
    static: list[str]
    first_stamp: int = 0
    last_stamp: int = 0
    count: int = 0
    last_row: int = 0


@dataclass(frozen=True)
class Table:
    """All series of a file, and the columns as they turned out to be.

    Args:
        name: of the file.
        columns: which is what.
        kind: of the time stamps.
        series: by name, in the order of their numbers.
        log: the rows of all of them.
        of_run: read by a run that has its steps already, so that no option changes them.
        form: how its dates are written; None: it is not known, or these are whole numbers.
    """

    name: str
    columns: Columns
    kind: StampKind
    series: dict[str, SeriesRows]
    log: RowLog
    of_run: bool = False
    form: StampForm | None = None

    @property
    def dated(self) -> bool:
        """Whether time stamps are dates."""
        return self.kind.dated

    @property
    def has_stamps(self) -> bool:
        """Whether a column holds time stamps."""
        return self.columns.time is not None


def read_table(path: Path | str, columns: Columns, progress: Progress | None = None) -> Table:
    """Read a table with a header; many rows are kept on disk.

    Args:
        path: a file as `open_rows` takes it.
        columns: which is what.
        progress: called now and then with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: no such column, a value that is no number, or time stamps that do not rise;
            names file, row and column.
    """
    with open_rows(path) as rows:
        first = next(rows.cells, None)
        if first is None:
            raise DataError(f"{rows.name} has no rows below its header")
        found = resolve_columns(columns, rows.header, first[1], rows.name)
        reader = _RowReader(rows, found, {}, {}, progress=progress)
        reader.add(*first)
        return reader.read(of_run=False)


def read_further(
    path: Path | str,
    columns: Columns,
    static: Mapping[str, Sequence[str]],
    *,
    kind: StampKind | None = None,
    after: Mapping[str, tuple[int, str]] | None = None,
) -> Table:
    """Read another table of the same kind as one that was read already.

    Args:
        path: a file as `open_rows` takes it.
        columns: as they turned out to be. Static ones may be absent; known ones may be, too, if
            there are no targets.
        static: what the static columns hold for each series.
        kind: of the time stamps of that one. None: it is not known.
        after: for each series the time stamp that its first row must come after, and its label.

    Raises:
        DataError: as `read_table`, a static column that holds something else than before, or
            time stamps of another kind.
    """
    with open_rows(path) as rows:
        there = tuple(one for one in columns.static if one in rows.header)
        places = [columns.static.index(one) for one in there]
        columns = replace(columns, static=there)
        check_header(columns, rows.header, rows.name)
        before = {name: [texts[place] for place in places] for name, texts in static.items()}
        table = _RowReader(rows, columns, after or {}, before, kind).read(of_run=True)
        if not table.series:
            raise DataError(f"{rows.name} has no rows below its header")
        return table


class _RowReader:
    """Takes rows, one after the other, to the series that they belong to."""

    def __init__(
        self,
        rows: Rows,
        columns: Columns,
        after: Mapping[str, tuple[int, str]],
        static: Mapping[str, Sequence[str]],
        kind: StampKind | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.rows, self.columns, self.progress = rows, columns, progress
        self.after, self.static_before = after, static
        place = rows.header.index
        self.times = [place(one) for one in columns.time_columns]
        self.group = None if columns.series is None else place(columns.series)
        self.wanted = (*columns.targets, *columns.known)
        self.places = [place(one) for one in self.wanted]
        self.static = [(place(one), one) for one in columns.static]
        for one, kept in rows.others.items():
            if one in (columns.series, *columns.static):
                raise DataError(f"{rows.name}, column {one!r} holds {kept}, and texts are expected")
        told = columns.time_format
        self.format = None if told is None else TimeFormat(told)
        self.kind = kind if self.format is None else self.format.kind
        self.kind_before = kind is not None
        self.series: dict[str, SeriesRows] = {}
        self.log = RowLog(len(self.wanted))
        self.forms: dict[tuple[int, str], StampForm | None] = {}

    def read(self, *, of_run: bool) -> Table:
        """The rest of the rows, and the table of all."""
        for number, row in self.rows.cells:
            self.add(number, row)
            if self.log.count % _TOLD_ROWS == 0 and self.progress and self.rows.reached:
                self.progress(*self.rows.reached(self.log.count), "reading")
        kind = self.kind or StampKind()
        form = common_form(list(self.forms.values()))
        return Table(self.rows.name, self.columns, kind, self.series, self.log, of_run, form)

    def add(self, number: int, row: Sequence[str]) -> None:
        """Take one row."""
        group = ONLY_SERIES if self.group is None else row[self.group].strip()
        series = self.series.get(group)
        if series is None:
            static = list(self.static_before.get(group, [""] * len(self.static)))
            series = self.series[group] = SeriesRows(len(self.series), static)
        stamp = self._stamp(series, group, number, row)
        self.log.append(series.number, stamp, self._numbers(number, row))
        if not series.count:
            series.first_stamp = stamp
        series.last_stamp, series.last_row = stamp, number
        series.count += 1
        if self.static:
            self._check_static(series, group, number, row)

    def _stamp(self, series: SeriesRows, group: str, number: int, row: Sequence[str]) -> int:
        before = series.last_stamp if series.count else None
        where, what_to_do = f"row {series.last_row}", _SORT
        if self.group is None:
            what_to_do += " (several series in one file need --series)"
        if before is None and group in self.after:
            before, where = self.after[group]
            what_to_do = "; give the rows after it alone, earlier ones were read already"
        if not self.times:
            return 0 if before is None else before + 1
        text = " ".join(row[place].strip() for place in self.times)
        stamp, dated = self._read_stamp(text, number)
        if before is not None and stamp <= before:
            how = "repeats the time stamp of" if stamp == before else "comes before that of"
            of = f" of series {group!r}" if group else ""
            self._refuse(
                number,
                self.columns.time,
                f"{text!r} {how} {where}{of}{what_to_do}"
                + (_CLOCKS if dated and ":" in text and 0 <= before - stamp < _PUT_BACK_S else ""),
            )
        return stamp

    def _read_stamp(self, text: str, number: int) -> tuple[int, bool]:
        """The time stamp, and whether it is a date."""
        if self.format is not None:
            try:
                return self.format.parse(text), True
            except (ValueError, OverflowError):
                self._refuse(number, self.columns.time, self.format.refusal_of(text))
        try:
            stamp, dated = parse_stamp(text)
        except (ValueError, OverflowError):
            told = not self.kind_before and (looks_like_date(text) or len(self.times) > 1)
            hint = _OTHER_FORMS if told else ""
            self._refuse(number, self.columns.time, refusal_of(text) + hint)
        kind = kind_of(text, dated)
        self._check_kind(kind, number, text)
        if dated:
            self._note_form(text, kind)
        return stamp, dated

    def _note_form(self, text: str, kind: StampKind) -> None:
        """Dates of one length, with a zone of one ending, are written alike."""
        alike = (len(text), text[-6:] if kind.zoned else "")
        if alike not in self.forms:
            self.forms[alike] = form_of(text)

    def _check_kind(self, kind: StampKind, number: int, text: str) -> None:
        if self.kind is None:
            self.kind = kind
        elif kind != self.kind:
            whose = "those of the run" if self.kind_before else "those of the rows before"
            self._refuse(
                number,
                self.columns.time,
                f"{text!r} is not of the kind of {whose}, which are {self.kind.words}; write all "
                "alike",
            )

    def _numbers(self, number: int, row: Sequence[str]) -> list[float]:
        cells = [row[place] for place in self.places]
        if self.rows.commas is not None:
            cells = self.rows.commas(number, cells, self.places)
        try:
            found = [float(cell) for cell in cells]
            if max(map(abs, found)) <= _LARGEST:
                return found
        except ValueError:
            pass
        return [
            self._number(cell, number, column)
            for cell, column in zip(cells, self.wanted, strict=True)
        ]

    def _number(self, text: str, number: int, column: str) -> float:
        try:
            value = float(text)
        except ValueError:
            if text.strip().lower() in _MISSING:
                return math.nan
            first = not self.log.count and column in self.columns.targets
            told = _ONE_BELOW_THE_OTHER if first and not looks_like_date(text) else ""
            self._refuse(number, column, _no_number(text) + told)
        if math.isinf(value) or abs(value) > _LARGEST:
            self._refuse(number, column, f"{text!r} is too large")
        return value

    def _check_static(
        self, series: SeriesRows, group: str, number: int, row: Sequence[str]
    ) -> None:
        for place, (cell, column) in enumerate(self.static):
            text = row[cell].strip()
            before = series.static[place]
            if text and not before:
                series.static[place] = text
            elif text and text != before:
                self._refuse(
                    number,
                    column,
                    f"{text!r}, but an earlier row of series {group!r} has {before!r}; a static "
                    "column holds the same in all rows of a series",
                )

    def _refuse(self, number: int, column: str | None, problem: str) -> NoReturn:
        raise DataError(f"{self.rows.name}, row {number}, column {column!r}: {problem}")


def _no_number(text: str) -> str:
    """What is wrong with a cell that should be a number, and what it may have been meant as."""
    told = f"expected a number or nothing (or NA, NaN, null, ?), got {text[:60]!r}"
    if looks_like_date(text):
        return (
            f"{told}; if this is the time, name its column with --time, and write dates as "
            "2024-05-31 13:00, or say with --time-format how they are written"
        )
    if any(mark.isdigit() for mark in text) and text.replace(",", "").replace(".", "").isdecimal():
        return f"{told}; decimals are written with a point, thousands without a mark"
    return (
        f"{told}; a column that is not to be forecast is left out by naming those that are "
        "(--target), or is said to be --time, --series or --static"
    )
