"""Equal steps in time: which step a time stamp is, and which time stamp a step is."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.combining import Combine
from ostinato.data.forecasting.time_stamps import StampKind, date_of, format_date
from ostinato.errors import SettingsError

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_WRITTEN = re.compile(r"(\d*)\s*(s|min|h|d|w|mo|y)")
_YEAR_S = 365.2425 * 86400
_NEARLY_WHOLE = 0.95
"""Of a turn; the gap that is left lies between phases that were seen, as of a year of 360 days."""
_A_MONDAY = 4 * 86400
"""1970-01-05, in seconds."""
_SEASONS = {60: 60, 600: 144, 900: 96, 1800: 48, 3600: 24, 86400: 7, 604800: 52}
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
    """

    anchor: int = 0
    size: int = 1
    months: bool = False
    dated: bool = False
    combine: Combine | None = None
    zoned: bool | None = None
    longest_turn_s: float | None = None

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
            first = date_of(self.anchor)
            first_month = (first.year - 1970) * 12 + first.month - 1
            months = stamps.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
            steps = (months - first_month) // self.size
            begins = (first_month + steps * self.size).astype("datetime64[M]")
            begins = begins.astype("datetime64[s]").astype(np.int64)
            begins += self.anchor - _month_start(first)
        else:
            steps = (stamps - self.anchor) // self.size
            begins = self.anchor + steps * self.size
        return steps, (begins == stamps) | (self.combine is not None)

    def combining(self, combine: Combine) -> "Grid":
        """The grid whose steps begin at whole months, weeks from Monday, days, hours, ...

        What no such unit divides begins where it would if time had begun on a Monday.
        """
        if self.months:
            anchor = _month_start(date_of(self.anchor))
        else:
            origin = _A_MONDAY if self.dated else 0
            anchor = self.anchor - (self.anchor - origin) % self.size
        return replace(self, anchor=anchor, combine=combine)

    def spanning(self, steps: int) -> "Grid":
        """The grid whose calendar holds the turns that so many steps go round, or nearly.

        Of a longer turn training sees a part alone, and what comes after lies in another.
        """
        return replace(self, longest_turn_s=steps * self._step_s / _NEARLY_WHOLE)

    def label(self, step: int) -> str:
        """The time stamp of a step, as a person reads it: with a time of day at all or at none."""
        stamp = self.stamp(step)
        if not self.dated:
            return str(stamp)
        days = self.anchor % 86400 == 0 and (self.months or self.size % 86400 == 0)
        return format_date(stamp, days=days, zoned=bool(self.zoned))

    @property
    def season(self) -> int:
        """Steps after which a series of this frequency is expected to repeat; 1: nothing known."""
        if self.months:
            return max(1, 12 // self.size)
        return _SEASONS.get(self.size, 1) if self.dated else 1

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
        if self.months:
            stamps = np.array([self.stamp(int(step)) for step in steps], dtype=np.float64)
        else:
            stamps = np.asarray(steps, dtype=np.float64) * self.size + self.anchor
        angles = 2 * np.pi * (stamps[:, None] / np.array(self.turns_s) % 1)
        waves = np.stack([np.sin(angles), np.cos(angles)], 2)
        return waves.reshape(len(steps), 2 * len(self.turns_s)).astype(np.float32)

    @property
    def _step_s(self) -> float:
        return self.size * (_YEAR_S / 12 if self.months else 1)

    def last_stamp(self, step: int) -> int:
        """The last time stamp that is of a step: its only one, unless rows of a step combine."""
        return self.stamp(step) if self.combine is None else self.stamp(step + 1) - 1

    def stamp(self, step: int) -> int:
        """The time stamp of a step."""
        if not self.months:
            return self.anchor + step * self.size
        first = date_of(self.anchor)
        month = first.year * 12 + first.month - 1 + step * self.size
        date = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return int(date.timestamp()) + (self.anchor - _month_start(first))


def grid_of(stamps: Sequence[int], *, dated: bool, frequency: str | None) -> Grid:
    """The grid of rising time stamps, of a series or the beginning of one.

    Args:
        stamps: in seconds, or whole numbers.
        dated: whether they are dates.
        frequency: a step as 10min, 1h, 1d, 1w, 1mo, 1y. None: the most frequent distance.

    Raises:
        SettingsError: `frequency` is no such word, or there is nothing to take it from.

    Example:
        >>> grid_of([0, 3600, 7200, 14400], dated=True, frequency=None).size
        3600
    """
    if frequency is not None:
        size, months = _read_frequency(frequency, dated)
        return Grid(stamps[0], size, months, dated)
    if len(stamps) < 2:
        raise SettingsError(
            "one time stamp does not say how far apart steps are: give --frequency, as 1h"
        )
    if dated and _are_months(stamps):
        months = [date_of(stamp).year * 12 + date_of(stamp).month for stamp in stamps]
        return Grid(stamps[0], _most_frequent(months), True, True)
    return Grid(stamps[0], _most_frequent(stamps), False, dated)


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


def _are_months(stamps: Sequence[int]) -> bool:
    """Whether all lie at the same place of their month, and no two in the same."""
    offsets = {stamp - _month_start(date_of(stamp)) for stamp in stamps}
    nearest = min(after - before for before, after in itertools.pairwise(stamps))
    return len(offsets) == 1 and offsets.pop() < 28 * 86400 and nearest >= 28 * 86400


def _month_start(date: datetime) -> int:
    return int(datetime(date.year, date.month, 1, tzinfo=UTC).timestamp())


def _most_frequent(numbers: Sequence[int]) -> int:
    apart = Counter(after - before for before, after in itertools.pairwise(numbers))
    return apart.most_common(1)[0][0]
