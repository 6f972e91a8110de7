"""Time stamps as whole seconds, and back.

A date is what ISO 8601 allows (`2016-07-01 13:00`, `2016-07-01`, with a zone: taken to UTC) or a
month, `1949-01`. A whole number is a time stamp too; of such ones nobody knows the calendar.
"""

import re
from datetime import UTC, datetime

_MONTH = re.compile(r"\d{4}-\d{2}")
_WHOLE = re.compile(r"[+-]?\d+")


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


def format_date(seconds: int) -> str:
    """As short as it can be.

    Example:
        >>> format_date(86400), format_date(3600)
        ('1970-01-02', '1970-01-01 01:00:00')
    """
    date = date_of(seconds)
    whole_day = seconds % 86400 == 0
    return date.strftime("%Y-%m-%d" if whole_day else "%Y-%m-%d %H:%M:%S")
