"""Which column of a table is what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ostinato.data.forecasting.time_formats import TimeFormat
from ostinato.data.forecasting.time_stamps import looks_like_date, parse_stamp
from ostinato.errors import DataError
from ostinato.names import nearest


@dataclass(frozen=True)
class Columns:
    """Which column is what.

    Args:
        time: with the time stamps. None: the first column if its first value is a date, else there
            are none, and every row is one step.
        targets: to be forecast. Empty: all that are nothing else.
        series: with the name of the series that a row belongs to. None: there is one series.
        known: whose future is known.
        static: that hold the same in all rows of a series.
        time_format: how time stamps are written, see `TimeFormat`. None: as `parse_stamp` has it.
        time_parts: columns whose texts, a space between, are the time stamps, as one of days and
            one of hours; `time` is then their names so joined. Empty: `time` is a column.
    """

    time: str | None = None
    targets: tuple[str, ...] = ()
    series: str | None = None
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    time_format: str | None = None
    time_parts: tuple[str, ...] = ()

    @property
    def time_columns(self) -> tuple[str, ...]:
        """What time stamps are read from; empty where there are none."""
        return self.time_parts or (() if self.time is None else (self.time,))

    def is_time(self, text: str) -> bool:
        """Whether a text is a date, or what the time format reads."""
        if self.time_format is None:
            return _is_date(text)
        try:
            TimeFormat(self.time_format).parse(text)
        except (ValueError, OverflowError):
            return False
        return True


def resolve_columns(
    columns: Columns, header: Sequence[str], first: Sequence[str], name: str
) -> Columns:
    """The columns with what was left open filled in from the header and the first row.

    Args:
        columns: as asked for.
        header: the names in the file.
        first: the first row.
        name: of the file, for messages.

    Raises:
        DataError: no such column; names the nearest. One column as two things. A header of values.
    """
    check_header(columns, header, name)
    used = [] if columns.series is None else [columns.series]
    used += [*columns.time_columns, *columns.targets, *columns.known, *columns.static]
    twice = [one for one, count in Counter(used).items() if count > 1]
    if twice:
        raise DataError(f"{name}: column {twice[0]!r} cannot be two things at once")
    time = columns.time
    if time is None and header[0] not in used and columns.is_time(first[0]):
        time = header[0]
    if time is None and columns.time_format is not None:
        raise DataError(
            f"{name}: {first[0]!r} below {header[0]!r} is no time as --time-format "
            f"{columns.time_format} has it: name the column of the time stamps with --time"
        )
    if time is None and header[0] not in used and looks_like_date(first[0]):
        raise DataError(
            f"{name}, column {header[0]!r}: {first[0]!r} seems to be a date, in a form that is not "
            "known: say with --time-format how it is written, as '%d.%m.%Y %H:%M'"
        )
    others = (time, columns.series, *columns.time_parts, *columns.known, *columns.static)
    targets = columns.targets or tuple(one for one in header if one not in others)
    if not targets:
        raise DataError(f"{name} has no column left to forecast")
    if "" in targets:
        raise DataError(
            f"{name}: column {header.index('') + 1} has no name; is it a row number that another "
            "program wrote? Name the columns to forecast with --target"
        )
    return replace(columns, time=time, targets=targets)


def check_header(columns: Columns, header: Sequence[str], name: str) -> None:
    """Every column asked for is in the header, and no name stands there twice.

    Raises:
        DataError: names the option, and the nearest name; a header of values.
    """
    _refuse_values(header, name)
    twice = [one for one, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"{name}: the header names the column {twice[0]!r} twice")
    for option, wanted in (
        ("--time", columns.time_columns),
        ("--series", (columns.series,)),
        ("--target", columns.targets),
        ("--known", columns.known),
        ("--static", columns.static),
    ):
        for column in wanted:
            if column is not None and column not in header:
                raise DataError(
                    f"{name} has no column {column!r} ({option}); it has {_told(header)}"
                    + nearest(column, header)
                )


def _refuse_values(header: Sequence[str], name: str) -> None:
    """A row of dates and numbers names nothing; whole numbers alone may be names."""
    there = [one for one in header if one]
    if all(map(_is_value, there)) and not all(one.isdecimal() for one in there):
        raise DataError(
            f"{name}: the first row must name the columns, and it holds {_told(header)}: write "
            "names above it"
        )


def _is_value(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return _is_date(text)
    return True


def _told(header: Sequence[str]) -> str:
    return ", ".join(header[:20]) + (f" and {len(header) - 20} more" if len(header) > 20 else "")


def _is_date(text: str) -> bool:
    try:
        return parse_stamp(text)[1]
    except (ValueError, OverflowError):
        return False
