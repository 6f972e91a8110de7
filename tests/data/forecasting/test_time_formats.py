"""Time stamps in a person's own form: read, and written again in forecasts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.series import first_grid, to_series
from ostinato.data.forecasting.table import read_further, read_table
from ostinato.data.forecasting.time_formats import TimeFormat
from ostinato.errors import DataError, SettingsError

BEGIN = datetime(2024, 2, 28, 22, tzinfo=UTC)
HOURS = [BEGIN + timedelta(hours=hour) for hour in range(5)]
FORMS = ["%d.%m.%Y %H:%M", "%m/%d/%y %I:%M:%S %p", "%d-%b-%Y %H:%M", "%Y%m%d%H", "%d.%m.%Y %H:%M%z"]


def table_of(path: Path, stamps: list[str]) -> Path:
    lines = [f'"{stamp}",{number}' for number, stamp in enumerate(stamps)]
    path.write_text("\n".join(["when,load", *lines, ""]))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_read_and_its_forecasts_dated_in_its_form(tmp_path: Path, form: str) -> None:
    stamps = [hour.strftime(form) for hour in HOURS]
    table = read_table(table_of(tmp_path / "t.csv", stamps), Columns(time_format=form))
    assert (table.columns.time, table.dated) == ("when", True)
    assert table.log.first_stamps(0, 9) == [int(hour.timestamp()) for hour in HOURS]
    grid = first_grid(table, None)
    assert (grid.size, grid.season) == (3600, 24)
    assert [grid.label(step) for step in range(5)] == stamps
    more = table_of(tmp_path / "more.csv", [(HOURS[-1] + timedelta(hours=2)).strftime(form)])
    further = read_further(more, table.columns, {}, kind=grid.kind)
    (series,) = to_series(further, grid).values()
    np.testing.assert_array_equal(series.values[:, 0], [0])


def test_a_zone_is_taken_to_utc() -> None:
    read = TimeFormat("%d.%m.%Y %H:%M %z")
    assert read.parse("29.02.2024 01:00 +0200") == int(BEGIN.timestamp()) + 3600
    assert read.write(int(BEGIN.timestamp())) == "28.02.2024 22:00 +0000"


@pytest.mark.parametrize(("form", "unit"), [("unix", 1), ("unix-ms", 1000)])
def test_seconds_since_1970_are_dates(tmp_path: Path, form: str, unit: int) -> None:
    stamps = [str(int(hour.timestamp()) * unit) for hour in HOURS]
    table = read_table(table_of(tmp_path / "t.csv", stamps), Columns(time_format=form))
    grid = first_grid(table, None)
    assert len(grid.turns_s) == 3  # a day, a week and a year
    assert grid.label(5) == str((int(BEGIN.timestamp()) + 5 * 3600) * unit)


def test_steps_finer_than_the_form_are_dated_by_the_time_of_day(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", ["28.02.2024", "29.02.2024"])
    table = read_table(path, Columns(time_format="%d.%m.%Y"))
    assert first_grid(table, "12h").label(1) == "2024-02-28 12:00:00"
    assert first_grid(table, None).label(1) == "29.02.2024"


@pytest.mark.parametrize(
    ("stamps", "form", "message"),
    [
        (["28.02.2024", "2024-02-29"], "%d.%m.%Y", r"row 3, .*'when': expected a time as .*31.05"),
        (["31.02.2024"], "%d.%m.%Y", r"'31.02.2024' below 'when' is no time as --time-format"),
        (["29.02.2024", "28.02.2024"], "%d.%m.%Y", r"row 3, .*comes before that of row 2"),
        (["1000", "2001"], "unix-ms", r"row 3, .*expected a time of whole seconds .*got '2001'"),
        (["1717160400000"], "unix", r"'1717160400000' below 'when' is no time as .* unix has it"),
        (["1000", str(10**18)], "unix-ms", r"row 3, .*has it, 1717163100000, got '1000000000"),
        (["28.02.2024", "29.02.2024"], None, r"'28.02.2024' seems to be a date, .*--time-format"),
        (["2024-02-28", "29/02/2024"], None, r"row 3, .*another form is told by --time-format"),
    ],
)
def test_what_is_not_so_written_is_refused(
    tmp_path: Path, stamps: list[str], form: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_table(table_of(tmp_path / "t.csv", stamps), Columns(time_format=form))


@pytest.mark.parametrize("form", ["%H:%M", "unix-s", "", "%d.%m.", "%Q"])
def test_a_form_without_a_year_is_refused(form: str) -> None:
    with pytest.raises(SettingsError, match="--time-format must be unix, unix-ms or"):
        TimeFormat(form)


def test_a_table_near_the_last_year_that_can_be_written_is_read(
    tmp_path: Path,
) -> None:
    path = table_of(tmp_path / "t.csv", ["30.12.9999 22:00", "30.12.9999 23:00"])
    grid = first_grid(read_table(path, Columns(time_format="%d.%m.%Y %H:%M")), "12h")
    assert grid.label(1) == "9999-12-31 10:00:00"


PARTS = ("year", "month", "day", "hour")


def test_several_columns_are_one_time(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{hour.year},{hour.month},{hour.day},{hour.hour},7" for hour in HOURS]
    path.write_text("\n".join(["year,month,day,hour,load", *rows, ""]))
    columns = Columns(" ".join(PARTS), time_format="%Y %m %d %H", time_parts=PARTS)
    table = read_table(path, columns)
    assert table.columns.targets == ("load",)
    assert table.log.first_stamps(0, 9) == [int(hour.timestamp()) for hour in HOURS]
    assert first_grid(table, None).label(1) == "2024 02 28 23"
    with pytest.raises(DataError, match=r"row 2, .* got '2024 2 28 22'; another form is told by"):
        read_table(path, Columns(" ".join(PARTS), time_parts=PARTS))
    with pytest.raises(DataError, match=r"no column 'hours' \(--time\).*did you mean 'hour'"):
        read_table(path, Columns("day hours", time_parts=("day", "hours")))
    days = tmp_path / "d.csv"
    days.write_text("load,day,clock\n1,2024-02-28, 22:00\n2,2024-02-28,23:00\n")
    iso = read_table(days, Columns("day clock", time_parts=("day", "clock")))
    assert iso.log.first_stamps(0, 9) == [int(hour.timestamp()) for hour in HOURS[:2]]
    assert first_grid(iso, None).label(0) == "2024-02-28 22:00"
