"""Time stamps as whole seconds, and back; what kind of time stamps they are.

A date is what ISO 8601 allows (`2016-07-01 13:00`, `2016-07-01`, a week as `2016-W26`, with a
zone: taken to UTC), a month, `1949-01`, or a quarter, `1949-Q1`. A whole number is a time stamp
too; of such ones nobody knows the calendar.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_MONTH = re.compile(r"\d{4}-\d{2}")
_QUARTER = re.compile(r"(\d{4})([- ]?)Q([1-4])")
_WEEK = re.compile(r"\d{4}(-?)W\d{2}((-?)\d)?")
_DATE = re.compile(
    r"\d{4}(?P<dash>-?)\d{2}(?P=dash)\d{2}"
    r"(?:(?P<between>[^\d])\d{2}(?:(?P<colon>:?)(?P<minute>\d{2})(?P<second>:?\d{2})?)?"
    r"(?P<fraction>[.,]0+)?(?P<zone>Z|z|[+-]\d{2}(?::?\d{2})?)?)?"
)
_WHOLE = re.compile(r"[+-]?\d+")
_ANY_DATE = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b.*|\d{1,2}([- /])[A-Za-z]{3,9}\.?\2\d{2,4}\b.*"
)


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
    date = datetime.fromisoformat(_first_day_of(text))
    if date.microsecond:
        raise ValueError("time stamps are read to the second")
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return int(date.timestamp()), True


def looks_like_date(text: str) -> bool:
    """Whether a text seems to be a date, be it in a form that `parse_stamp` refuses.

    Example:
        >>> [looks_like_date(one) for one in ("31.05.2024 13:00", "31-May-24", "1.234.567")]
        [True, True, False]
    """
    return _ANY_DATE.fullmatch(text.strip()) is not None


def refusal_of(text: str) -> str:
    """What to say of a text that `parse_stamp` refuses.

    Example:
        >>> refusal_of("31.05.2024")
        "expected a date as 2024-05-31 13:00 or a whole number, got '31.05.2024'"
    """
    try:
        date = datetime.fromisoformat(text.strip())
    except ValueError:
        return f"expected a date as 2024-05-31 13:00 or a whole number, got {text!r}"
    return (
        f"expected a date of whole seconds, got {text!r}; write finer time stamps as whole "
        f"numbers, as milliseconds: {_milliseconds(date)}"
    )


class StampForm(NamedTuple):
    """How dates are written.

    Attributes:
        date: as `strftime` reads it, with %q for a quarter and without the zone.
        zone: as it is written behind each, as "Z" or "+02:00"; empty: nothing is.
    """

    date: str
    zone: str = ""

    @property
    def offset_s(self) -> int:
        """What the zone is ahead of UTC."""
        return int(_offset(self.zone).total_seconds())

    def write(self, seconds: int) -> str:
        """The date so written.

        Example:
            >>> StampForm("%Y-Q%q").write(86400 * 100), StampForm("%H:%M", "+02:00").write(0)
            ('1970-Q2', '02:00+02:00')
        """
        date = date_of(seconds) + _offset(self.zone)
        quarter = str((date.month + 2) // 3)
        return date.strftime(self.date.replace("%q", quarter)) + self.zone


def form_of(text: str) -> StampForm | None:
    """How a date that `parse_stamp` has read is written; None where no form says it.

    Example:
        >>> form_of("1949-01").date, form_of("2024-05-31T13:00Z")
        ('%Y-%m', StampForm(date='%Y-%m-%dT%H:%M', zone='Z'))
    """
    text = text.strip()
    if _MONTH.fullmatch(text):
        return StampForm("%Y-%m")
    quarter, week, date = (one.fullmatch(text) for one in (_QUARTER, _WEEK, _DATE))
    if quarter:
        return StampForm(f"%Y{quarter[2]}Q%q")
    if week:
        return StampForm(f"%G{week[1]}W%V" + (f"{week[3]}%u" if week[2] else ""))
    if not date:
        return None
    form = date["dash"].join(("%Y", "%m", "%d"))
    if date["between"]:
        form += date["between"].replace("%", "%%") + "%H"
        form += f"{date['colon']}%M" if date["minute"] else ""
        form += f"{date['colon']}%S" if date["second"] else ""
    return StampForm(form + (date["fraction"] or ""), date["zone"] or "")


def common_form(forms: Sequence[StampForm | None]) -> StampForm | None:
    """The form for dates written in several: the longest of them; in UTC where zones differ.

    None where there is none, or one of them is not known.

    Example:
        >>> common_form([StampForm("%Y-%m-%d"), StampForm("%Y-%m-%d %H:%M")]).date
        '%Y-%m-%d %H:%M'
    """
    known = [one for one in forms if one is not None]
    if not known or len(known) < len(forms):
        return None
    longest = max(known, key=lambda one: len(one.date))
    return longest if len({one.zone for one in known}) == 1 else longest._replace(zone="+00:00")


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


def _milliseconds(date: datetime) -> int:
    """Since 1970."""
    whole = date if date.tzinfo else date.replace(tzinfo=UTC)
    return round(whole.timestamp() * 1000)


def _first_day_of(text: str) -> str:
    """A month or a quarter as its first day; another text as it is."""
    if _MONTH.fullmatch(text):
        return f"{text}-01"
    quarter = _QUARTER.fullmatch(text)
    return f"{quarter[1]}-{3 * int(quarter[3]) - 2:02d}-01" if quarter else text


def _offset(zone: str) -> timedelta:
    """What a zone as it is written is ahead of UTC."""
    if zone in ("", "Z", "z"):
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    return (-1 if zone[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes)


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
