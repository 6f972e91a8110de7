"""Equal steps in time: which step a time stamp is, and which time stamp a step is."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.combining import Combine
from ostinato.data.forecasting.time_formats import TimeFormat
from ostinato.data.forecasting.time_stamps import (
    StampForm,
    StampKind,
    date_of,
    format_date,
    parse_stamp,
)
from ostinato.errors import SettingsError

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_WRITTEN = re.compile(r"(\d*)\s*(s|min|h|d|w|mo|y)")
_YEAR_S = 365.2425 * 86400
_NEARLY_WHOLE = 0.95
"""Of a turn; the gap that is left lies between phases that were seen, as of a year of 360 days."""
_SHORTEST_MONTH_S = 28 * 86400
_STEPS_TRIED = 24
_WEEKENDS_PASSED = 4
"""Days, of two weekends."""
_A_MONDAY = 4 * 86400
"""1970-01-05, in seconds."""
_ROUND_S = tuple(
    unit * count
    for unit, counts in (
        (1, (1, 2, 5, 10, 15, 30)),
        (60, (1, 2, 5, 10, 15, 30)),
        (3600, (1, 2, 3, 6, 12)),
        (86400, (1, 2, 7, 14, 28, 56, 112, 364)),
    )
    for count in counts
)
_ROUND_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240)
_DAY_S = 86400
_SEASONS = {_DAY_S: 7, 7 * _DAY_S: 52}
"""Steps after which a series is expected to repeat, by the seconds of a step."""


@dataclass(frozen=True)
class Grid:
    """Equal steps.

    Args:
        anchor: the time stamp of step 0, in seconds, or in what whole numbers count.
        size: a step, in seconds or whole numbers; in months where `months` is True.
        months: whether steps are calendar months.
        dated: whether time stamps are dates, not whole numbers.
        combine: how rows within one step become one; None: every time stamp is a step.
        zoned: whether time stamps name their zone; None: it is not known.
        longest_turn_s: no longer turn of the calendar is read; None: any is.
        from_month_ends: whether a step of months lies before the end of its month, as its last day
            does, not after its beginning.
        business_days: whether a step is a day from Monday to Friday.
        form, zone: how its time stamps are written, see `StampForm`; None: it is not known.
        time_format: how a person said that they are written, see `TimeFormat`; None: nothing said.
    """

    anchor: int = 0
    size: int = 1
    months: bool = False
    dated: bool = False
    combine: Combine | None = None
    zoned: bool | None = None
    longest_turn_s: float | None = None
    from_month_ends: bool = False
    business_days: bool = False
    form: str | None = None
    zone: str = ""
    time_format: str | None = None

    @property
    def kind(self) -> StampKind | None:
        """Of its time stamps; None where it is not known."""
        return None if self.zoned is None else StampKind(self.dated, self.zoned)

    def step_of(self, stamp: int) -> int | None:
        """The step of a time stamp; None where it lies between two steps, unless these combine."""
        steps, on_grid = self.steps_of(np.array([stamp]))
        return int(steps[0]) if on_grid[0] else None

    def steps_of(self, stamps: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The steps that time stamps (count,) lie in, and which of these are steps themselves.

        Where rows of a step combine, all are.
        """
        if self.months:
            months = stamps.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
            steps = (months - _month_of(self.anchor)) // self.size
            begins = self._in_month(_month_of(self.anchor) + steps * self.size)
        elif self.business_days:
            steps = np.busday_count(_day_of(self.anchor), _day_of(stamps))
            begins = self._on_business_days(steps)
        else:
            steps = (stamps - self.anchor) // self.size
            begins = self.anchor + steps * self.size
        return steps, (begins == stamps) | (self.combine is not None)

    def combining(self, combine: Combine) -> "Grid":
        """The grid whose steps begin at whole months, weeks from Monday, days, hours, ...

        What no such unit divides begins where it would if time had begun on a Monday.
        """
        if self.months:
            anchor = int(_starts_of_months(np.array(_month_of(self.anchor))))
        else:
            origin = _A_MONDAY if self.dated else 0
            anchor = self.anchor - (self.anchor - origin) % self.size
        return replace(
            self, anchor=anchor, combine=combine, from_month_ends=False, business_days=False
        )

    def spanning(self, steps: int) -> "Grid":
        """The grid whose calendar holds the turns that so many steps go round, or nearly.

        Of a longer turn training sees a part alone, and what comes after lies in another.
        """
        return replace(self, longest_turn_s=steps * self._step_s / _NEARLY_WHOLE)

    def label(self, step: int) -> str:
        """The time stamp of a step, written as the table's own are where that tells the steps.

        Else with a time of day at all or at none.
        """
        stamp = self.stamp(step)
        if not self.dated:
            return str(stamp)
        if self._written is not None:
            return self._written.write(stamp)
        return format_date(stamp, days=self._whole_days, zoned=bool(self.zoned))

    def round_steps(self, first: int, last: int, most: int) -> list[int]:
        """At most so many steps of those given at even distances: full hours, Mondays, Januaries.

        Empty where there are not two, as of a table without dates.
        """
        steps = range(first, last + 1)
        if not self.dated or self.business_days or not steps:
            return []
        for size in _ROUND_MONTHS if self.months else _ROUND_S:
            found = [step for step in steps if self._place(step) % size == 0]
            if len(found) <= most:
                return found if len(found) > 1 else []
        return []

    def _place(self, step: int) -> int:
        """Months since a January, or seconds since midnight of a Monday as time is written."""
        if self.months:
            return _month_of(self.stamp(step))
        offset = StampForm("", self.zone).offset_s if self._written else 0
        return self.stamp(step) + offset - _A_MONDAY

    @cached_property
    def _written(self) -> StampForm | TimeFormat | None:
        """The form of the table's own time stamps, where every step can be read from it again.

        Days that were combined have no time of day.
        """
        if self.time_format is not None:
            told = TimeFormat(self.time_format)
            return told if self._is_read_again(told.write, told.parse) else None
        if self.form is None or (self.combine is not None and self._whole_days):
            return None
        form = StampForm(self.form, self.zone)
        return form if self._is_read_again(form.write, lambda text: parse_stamp(text)[0]) else None

    def _is_read_again(self, write: Callable[[int], str], parse: Callable[[str], int]) -> bool:
        """Whether steps are what `parse` makes of what `write` writes."""
        try:
            return all(parse(write(one)) == one for one in map(self.stamp, range(_STEPS_TRIED)))
        except (ValueError, OverflowError):  # no year of four digits
            return False

    @property
    def _whole_days(self) -> bool:
        return self.anchor % 86400 == 0 and (self.months or self.size % 86400 == 0)

    @property
    def season(self) -> int:
        """Steps after which a series of this frequency is expected to repeat; 1: nothing known.

        A day of minutes or hours, a week of days, a year of weeks or months.
        """
        if self.months:
            return max(1, 12 // self.size)
        if self.business_days:
            return 5
        if not self.dated:
            return 1
        if 60 <= self.size < _DAY_S and _DAY_S % self.size == 0:
            return _DAY_S // self.size
        return _SEASONS.get(self.size, 1)

    @property
    def turns_s(self) -> tuple[float, ...]:
        """The seconds of a day, a week and a year, of those that hold more than one step.

        What a step is a multiple of is the same at every step and tells nothing. Whole numbers
        have no calendar.
        """
        if not self.dated:
            return ()
        if self.months:
            turns = (_YEAR_S,) if self.size < 12 else ()
        else:
            turns = tuple(turn for turn in (86400, 604800, _YEAR_S) if self.size % turn)
        longest = self.longest_turn_s
        return tuple(turn for turn in turns if longest is None or turn <= longest)

    def calendar(self, steps: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """(steps, 2 for each of `turns_s`): sine and cosine of the time of day, week and year."""
        if not self.turns_s:
            return np.zeros((len(steps), 0), dtype=np.float32)
        if self.business_days:
            stamps = self._on_business_days(np.asarray(steps)).astype(np.float64)
        elif self.months:
            stamps = np.array([self.stamp(int(step)) for step in steps], dtype=np.float64)
        else:
            stamps = np.asarray(steps, dtype=np.float64) * self.size + self.anchor
        angles = 2 * np.pi * (stamps[:, None] / np.array(self.turns_s) % 1)
        waves = np.stack([np.sin(angles), np.cos(angles)], 2)
        return waves.reshape(len(steps), 2 * len(self.turns_s)).astype(np.float32)

    @property
    def _step_s(self) -> float:
        if self.business_days:
            return self.size * 7 / 5
        return self.size * (_YEAR_S / 12 if self.months else 1)

    def last_stamp(self, step: int) -> int:
        """The last time stamp that is of a step: its only one, unless rows of a step combine."""
        return self.stamp(step) if self.combine is None else self.stamp(step + 1) - 1

    def stamp(self, step: int) -> int:
        """The time stamp of a step."""
        if self.business_days:
            return int(self._on_business_days(np.array(step)))
        if not self.months:
            return self.anchor + step * self.size
        return int(self._in_month(np.array(_month_of(self.anchor) + step * self.size)))

    def _on_business_days(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        days = np.busday_offset(_day_of(self.anchor), steps)
        return days.astype("datetime64[s]").astype(np.int64) + self.anchor % 86400

    def _in_month(self, months: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time stamps that lie in these months as the anchor lies in its own."""
        edge, own = int(self.from_month_ends), np.array(_month_of(self.anchor))
        return _starts_of_months(months + edge) + self.anchor - _starts_of_months(own + edge)


def grid_of(stamps: Sequence[int], *, dated: bool, frequency: str | None) -> Grid:
    """The grid of rising time stamps, of a series or the beginning of one.

    Args:
        stamps: in seconds, or whole numbers.
        dated: whether they are dates.
        frequency: a step as 10min, 1h, 1d, 1w, 1mo, 1y. None: the most frequent distance; a day
            from Monday to Friday where all lie on such and pass weekends.

    Raises:
        SettingsError: `frequency` is no such word, or there is nothing to take it from.

    Example:
        >>> grid_of([0, 3600, 7200, 14400], dated=True, frequency=None).size
        3600
    """
    if frequency is not None:
        size, months = _read_frequency(frequency, dated)
        ends = months and _month_edge(stamps) == "end"
        return Grid(stamps[0], size, months, dated, from_month_ends=ends)
    if len(stamps) < 2:
        raise SettingsError(
            "one time stamp does not say how far apart steps are: give --frequency, as 1h"
        )
    edge = _month_edge(stamps) if dated else None
    if edge is not None:
        size = _most_frequent([_month_of(stamp) for stamp in stamps])
        return Grid(stamps[0], size, True, True, from_month_ends=edge == "end")
    size = _most_frequent(stamps)
    business = dated and size == 86400 and _are_business_days(stamps)
    return Grid(stamps[0], size, False, dated, business_days=business)


def _read_frequency(text: str, dated: bool) -> tuple[int, bool]:
    if not dated and text.isdecimal() and int(text):
        return int(text), False
    found = _WRITTEN.fullmatch(text.strip())
    if not found or found[1] == "0" or not dated:
        wanted = "10min, 1h, 1d, 1w, 1mo or 1y" if dated else "a whole number, as the time stamps"
        raise SettingsError(f"--frequency must be {wanted}, got {text!r}")
    count = int(found[1] or 1)
    if found[2] in ("mo", "y"):
        return count * (12 if found[2] == "y" else 1), True
    return count * _SECONDS[found[2]], False


def _month_edge(stamps: Sequence[int]) -> Literal["start", "end"] | None:
    """What all lie equally far from in their months, no two in the same; None: nothing."""
    nearest = min((after - before for before, after in itertools.pairwise(stamps)), default=0)
    if nearest < _SHORTEST_MONTH_S:
        return None
    own, months = np.array(stamps), np.array([_month_of(stamp) for stamp in stamps])
    after, before = own - _starts_of_months(months), _starts_of_months(months + 1) - own
    if len(set(after.tolist())) == 1 and after[0] < _SHORTEST_MONTH_S:
        return "start"
    return "end" if len(set(before.tolist())) == 1 and before[0] <= _SHORTEST_MONTH_S else None


def _are_business_days(stamps: Sequence[int]) -> bool:
    """Whether none lies on a weekend, over two weekends or more."""
    days = _day_of(np.array(stamps))
    passed = (days[-1] - days[0]).astype(int) + 1 - np.busday_count(days[0], days[-1] + 1)
    return bool(passed >= _WEEKENDS_PASSED and np.is_busday(days).all())


def _day_of(stamps: int | NDArray[np.int64]) -> NDArray[np.datetime64]:
    return np.asarray(stamps).astype("datetime64[s]").astype("datetime64[D]")


def _month_of(stamp: int) -> int:
    """The month of a time stamp, counted from January 1970."""
    date = date_of(stamp)
    return (date.year - 1970) * 12 + date.month - 1


def _starts_of_months(months: NDArray[np.int64]) -> NDArray[np.int64]:
    return months.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)


def _most_frequent(numbers: Sequence[int]) -> int:
    apart = Counter(after - before for before, after in itertools.pairwise(numbers))
    return apart.most_common(1)[0][0]
