"""Time stamps as whole seconds, and back; what kind of time stamps they are.

A date is what ISO 8601 allows (`2016-07-01 13:00`, `2016-07-01`, with a zone: taken to UTC) or a
month, `1949-01`. A whole number is a time stamp too; of such ones nobody knows the calendar.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

_MONTH = re.compile(r"\d{4}-\d{2}")
_WHOLE = re.compile(r"[+-]?\d+")


class StampKind(NamedTuple):
    """What the time stamps of a table are; those of one table are all of one kind.

    Attributes:
        dated: dates, not whole numbers.
        zoned: they name their time zone.
    """

    dated: bool = False
    zoned: bool = False

    @property
    def words(self) -> str:
        """For messages."""
        if not self.dated:
            return "whole numbers"
        return "dates with a time zone" if self.zoned else "dates without a time zone"


def kind_of(text: str, dated: bool) -> StampKind:
    """The kind of a time stamp that `parse_stamp` has read.

    Example:
        >>> kind_of("2024-05-31 13:00+02:00", True).words
        'dates with a time zone'
    """
    time = text.strip()[10:]
    return StampKind(dated, dated and (time[-1:] in ("Z", "z") or "+" in time or "-" in time))


def parse_stamp(text: str) -> tuple[int, bool]:
    """Seconds since 1970 and True of a date; the number itself and False of a whole number.

    Raises:
        ValueError: it is neither.

    Example:
        >>> parse_stamp("1970-01-02"), parse_stamp("1970-02"), parse_stamp("17")
        ((86400, True), (2678400, True), (17, False))
    """
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text), False
    date = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    if date.microsecond:
        raise ValueError("time stamps are read to the second")
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return int(date.timestamp()), True


def date_of(seconds: int) -> datetime:
    """The date, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def format_date(seconds: int, *, days: bool = False, zoned: bool = False) -> str:
    """A date as text.

    Args:
        seconds: since 1970.
        days: leave the time of day out.
        zoned: say that it is UTC.

    Example:
        >>> format_date(86400, days=True), format_date(3600), format_date(3600, zoned=True)
        ('1970-01-02', '1970-01-01 01:00:00', '1970-01-01 01:00:00+00:00')
    """
    day_or_time = date_of(seconds).strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S")
    return day_or_time + ("+00:00" if zoned and not days else "")


def dates_in_disguise(stamps: Sequence[int]) -> str | None:
    """Of whole numbers that are all dates without their marks, the first as a date; else None.

    Months (202412) are so many that numbers that only count would not all be some.

    Example:
        >>> dates_in_disguise([20240131, 20240201]), dates_in_disguise([20240131, 20240132])
        ('2024-01-31', None)
    """
    for form, shown, least in (("%Y%m%d", "%Y-%m-%d", 2), ("%Y%m", "%Y-%m", 13)):
        dates = [_date_or_none(str(stamp), form) for stamp in stamps]
        if len(dates) >= least and all(dates):
            return dates[0].strftime(shown) if dates[0] else None
    return None


def _date_or_none(text: str, form: str) -> datetime | None:
    """The date that is written so, digit for digit, in the centuries of data."""
    try:
        date = datetime.strptime(text, form)
    except ValueError:
        return None
    return date if 1900 <= date.year < 2100 and date.strftime(form) == text else None
