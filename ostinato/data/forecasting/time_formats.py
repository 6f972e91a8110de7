"""Time stamps in a form that a person names: in `strftime`'s words, or counted since 1970."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ostinato.data.forecasting.time_stamps import StampKind, date_of
from ostinato.errors import SettingsError

_COUNTS = {"unix": 1, "unix-ms": 1000}
_YEARS_S = range(-62_135_596_800, 253_402_300_800)
"""From 0001 to 9999: what lies outside is counted in another unit."""
_EXAMPLE = datetime(2024, 5, 31, 13, 45, tzinfo=UTC)


@dataclass(frozen=True)
class TimeFormat:
    """One form for all time stamps of a table, taken to UTC where it tells a zone (%z).

    Args:
        text: as "%d.%m.%Y %H:%M"; "unix" and "unix-ms" are seconds and milliseconds since 1970.

    Raises:
        SettingsError: it is neither, or tells no year.

    Example:
        >>> TimeFormat("%d.%m.%Y").parse("02.01.1970"), TimeFormat("unix-ms").parse("86400000")
        (86400, 86400)
        >>> TimeFormat("%m/%d/%Y %I:%M %p").write(86400)
        '01/02/1970 12:00 AM'
    """

    text: str

    def __post_init__(self) -> None:
        if self.text in _COUNTS:
            return
        try:
            told = self.parse(self.write(int(_EXAMPLE.timestamp())))
        except ValueError:
            told = 0
        if date_of(told).year != _EXAMPLE.year:
            raise SettingsError(
                f"--time-format must be unix, unix-ms or tell a date with its year, as "
                f"'%d.%m.%Y %H:%M', got {self.text!r}"
            )

    @property
    def kind(self) -> StampKind:
        """Dates, with a zone where the form has one."""
        return StampKind(dated=True, zoned="%z" in self.text)

    def parse(self, text: str) -> int:
        """Seconds since 1970.

        Raises:
            ValueError: the text is not so written, or tells a part of a second or a year past 9999.
        """
        if self.text in _COUNTS:
            seconds, rest = divmod(int(text), _COUNTS[self.text])
            if rest:
                raise ValueError("time stamps are read to the second")
            if seconds not in _YEARS_S:
                raise ValueError("no calendar has such a year")
            return seconds
        date = datetime.strptime(text.strip(), self.text)
        if date.microsecond:
            raise ValueError("time stamps are read to the second")
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())

    def write(self, seconds: int) -> str:
        """The time stamp so written, of UTC."""
        if self.text in _COUNTS:
            return str(seconds * _COUNTS[self.text])
        return date_of(seconds).strftime(self.text)

    def refusal_of(self, text: str) -> str:
        """What to say of a text that is not so written."""
        example = self.write(int(_EXAMPLE.timestamp()))
        whole = " of whole seconds" if self.text == "unix-ms" or "%f" in self.text else ""
        return (
            f"expected a time{whole} as --time-format {self.text} has it, {example}, got {text!r}"
        )
