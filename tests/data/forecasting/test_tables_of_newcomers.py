"""Tables as people bring them: what is read all the same, and what is refused with what to do."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.grid import Grid
from ostinato.data.forecasting.series import first_grid, to_series
from ostinato.data.forecasting.splits import refuse_unseen, split_by_time
from ostinato.data.forecasting.table import Table, read_further, read_table
from ostinato.errors import DataError

PLAIN = "time,load\n2024-01-01 00:00,1\n2024-01-01 01:00,\n2024-01-01 02:00,3\n"

PLAIN_COUNTS = "step,count,sales,open\n" + "".join(f"{step},{step},,\n" for step in range(1, 11))


def written(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",\n", ", NaN \n"),
        PLAIN.replace(",\n", ",#N/A\n"),
        PLAIN.replace(",\n", ",<NA>\n"),
        PLAIN.replace(",\n", ",?\n"),
        PLAIN.replace(" 0", "T0"),
        PLAIN.replace(",", ";").replace("3\n", "3,0\n"),
        "sep=;\r\n" + PLAIN.replace(",", ";").replace("3\n", "3,0\n"),
        "\r\n" + PLAIN.replace(",", ";"),
        '"time";"load"\r\n2024-01-01 00:00;"1,0"\r\n2024-01-01 01:00;\r\n2024-01-01 02:00;+3\r\n',
        PLAIN.replace("1\n", '"1"\n\n'),
    ],
)
def test_the_same_table_in_other_dress_is_read_as_the_same(
    tmp_path: Path, content: str | bytes
) -> None:
    table = read_table(written(tmp_path, content), Columns())
    (series,) = to_series(table, first_grid(table, None)).values()
    np.testing.assert_array_equal(series.values[:, 0], [1, np.nan, 3])
    assert table.columns == Columns("time", ("load",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.encode("utf-16"), "is no plain text"),
        (b"PK\x03\x04\x14\x00\x06\x00", "is no plain text"),
        (
            PLAIN.replace(",", ";").replace("3\n", "1.234,5\n"),
            "row 4, column 'load': .*got '1.234,5'",
        ),
        (
            PLAIN.replace(",", ";").replace("3\n", "3;5\n"),
            "row 4: 3 values, .*where semicolons part",
        ),
        (PLAIN.replace("3\n", '"3,5"\n'), "row 4, column 'load': .*'3,5'; decimals are written"),
        (PLAIN.replace("3\n", '"1.234,5"\n'), "thousands without a mark"),
        (PLAIN.replace("3\n", "3,5\n"), "row 4: 3 values, .* decimals have a point"),
        (PLAIN.replace("3\n", "low\n"), "row 4, column 'load': .*got 'low'; a column that is not"),
        (PLAIN.replace("1\n", '"1\n'), r"rows 2-4: .*a quote that opens a value must close"),
        (PLAIN.replace("time,load\n", ""), "first row must name the columns, and it holds 2024-01"),
        ("0.5,1\n0.7,2\n", "the first row must name the columns"),
        (",load\n0,1\n1,2\n", "column 1 has no name; is it a row number"),
        (PLAIN.replace("2024-01-01 02", "01/01/2024 02"), "row 4, column 'time': expected a date"),
        (
            PLAIN.replace("2024-01-01 0", "01.01.2024 0"),
            "'time': '01.01.2024 00:00' seems to be a date",
        ),
        (
            PLAIN.replace("02:00", "02:00:00.5"),
            "a date of whole seconds, .*: 17040",
        ),
        (PLAIN.replace("02:00", "02:00+01:00"), "row 4, .*rows before, which are dates without a"),
        (PLAIN.replace("2024-01-01 02:00", "17"), "'17' is not of the kind of those of the rows"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, content), Columns())


def test_a_column_of_semicolons_has_one_mark_of_decimals(tmp_path: Path) -> None:
    text = "day;load\n2024-01-01;1.050\n2024-01-02;2,5\n"
    with pytest.raises(DataError, match=r"row 3, column 'load': '2,5', and '1.050' in row 2"):
        read_table(written(tmp_path, text), Columns())


def test_semicolons_change_no_names_texts_or_times(tmp_path: Path) -> None:
    text = "when;meter;place;load\n" + "".join(
        f"01.01.2024,{hour:02d};{meter};0,5;{hour},5\n"
        for meter in ("1,5", "2.5")
        for hour in range(3)
    )
    columns = Columns(series="meter", static=("place",), time_format="%d.%m.%Y,%H")
    table = read_table(written(tmp_path, text), columns)
    assert {name: rows.static for name, rows in table.series.items()} == {
        "1,5": ["0,5"],
        "2.5": ["0,5"],
    }
    for series in to_series(table, first_grid(table, None)).values():
        np.testing.assert_array_equal(series.values[:, 0], [0.5, 1.5, 2.5])


def test_names_that_are_whole_numbers_are_names(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "0,1\n5,6\n7,8\n"), Columns()).columns.targets == ("0", "1")


@pytest.mark.parametrize(
    ("stamps", "date"),
    [
        (["20240130", "20240131", "20240201"], "2024-01-30"),
        ([f"{2023 + month // 12}{1 + month % 12:02d}" for month in range(15)], "2023-01"),
    ],
)
def test_dates_written_as_whole_numbers_are_refused(
    tmp_path: Path, stamps: list[str], date: str
) -> None:
    text = "day,load\n" + "".join(f"{stamp},{place}\n" for place, stamp in enumerate(stamps))
    table = read_table(written(tmp_path, text), Columns("day"))
    with pytest.raises(DataError, match=f"look like dates, .* write {date}"):
        first_grid(table, None)


def zoned_table(folder: Path) -> Table:
    text = "time,load\n2024-01-01T00:00+02:00,1\n2024-01-01T01:00+02:00,2\n"
    return read_table(written(folder, text), Columns())


FORMS = {
    "months": ("1949-11 1949-12 1950-01", "1950-02 1950-03", None),
    "quarters": ("1949-Q3 1949-Q4 1950-Q1", "1950-Q2 1950-Q3", None),
    "quarters in one": ("1949Q3 1949Q4 1950Q1", "1950Q2 1950Q3", None),
    "months of quarters": ("1949-07 1949-10 1950-01", "1950-04 1950-07", None),
    "years": ("1949 1950 1951", "1952 1953", None),
    "first days of years": ("1951-01-01 1952-01-01 1953-01-01", "1954-01-01 1955-01-01", None),
    "last days of years": ("1951-12-31 1952-12-31 1953-12-31", "1954-12-31 1955-12-31", None),
    "last days of months": ("2023-11-30 2023-12-31 2024-01-31", "2024-02-29 2024-03-31", None),
    "last days of months, asked for": ("2024-01-31 2024-02-29", "2024-03-31 2024-04-30", "1mo"),
    "last days of quarters": ("2023-06-30 2023-09-30 2023-12-31", "2024-03-31 2024-06-30", None),
    "a day of months": ("2024-01-15 2024-02-15 2024-03-15", "2024-04-15 2024-05-15", None),
    "weeks": ("2020-W51 2020-W52 2020-W53", "2021-W01 2021-W02", None),
    "days of weeks": ("2024-01-02 2024-01-09 2024-01-16", "2024-01-23 2024-01-30", None),
    "days": ("2024-02-26 2024-02-27 2024-02-28", "2024-02-29 2024-03-01", None),
    "hours": ("2024-02-28T22 2024-02-28T23 2024-02-29T00", "2024-02-29T01 2024-02-29T02", None),
    "minutes": ("2024-01-01T23:30 2024-01-01T23:45 2024-01-02T00:00", "2024-01-02T00:15", None),
    "seconds": ("2024-01-01T00:00:00 2024-01-01T00:00:10", "2024-01-01T00:00:20", None),
    "without marks": ("20240101T0000 20240101T0100", "20240101T0200", None),
    "UTC": ("2024-01-01T00:00Z 2024-01-01T01:00Z", "2024-01-01T02:00Z", None),
    "a zone": ("2024-01-01T23:00+02:00 2024-01-02T00:00+02:00", "2024-01-02T01:00+02:00", None),
    "a short zone": ("2024-01-01T22:00-0330 2024-01-01T23:00-0330", "2024-01-02T00:00-0330", None),
    "months of a zone": (
        "2024-01-01T00:00+02:00 2024-02-01T00:00+02:00 2024-03-01T00:00+02:00",
        "2024-04-01T00:00+02:00 2024-05-01T00:00+02:00",
        None,
    ),
    "zones before and after clocks are put on": (
        "2024-03-31T00:00+01:00 2024-03-31T01:00+01:00 2024-03-31T03:00+02:00",
        "2024-03-31T02:00+00:00",
        None,
    ),
    "days and times": ("2024-01-01 2024-01-01T12:00 2024-01-02", "2024-01-02T12:00", None),
    "business days": (
        "2024-01-02 2024-01-03 2024-01-04 2024-01-05 2024-01-08 2024-01-09 2024-01-10 2024-01-11 "
        "2024-01-12 2024-01-16 2024-01-17 2024-01-18",
        "2024-01-19 2024-01-22",
        None,
    ),
    "weekends, too": ("2024-01-11 2024-01-12", "2024-01-13 2024-01-14", "1d"),
    "finer steps than stamps": ("2024-01-01 2024-01-02", "2024-01-02_12:00:00", "12h"),
}


@pytest.mark.parametrize("name", FORMS)
def test_steps_to_come_are_written_as_the_table_writes_its_own(tmp_path: Path, name: str) -> None:
    stamps, expected, frequency = FORMS[name]
    text = "time,load\n" + "".join(f"{one},1\n" for one in stamps.split())
    table = read_table(written(tmp_path, text), Columns("time"))
    grid = first_grid(table, frequency)
    (series,) = to_series(table, grid).values()
    found = [grid.label(series.end + step) for step in range(len(expected.split()))]
    assert found == [one.replace("_", " ") for one in expected.split()]
    assert [grid.step_of(grid.stamp(step)) for step in range(40)] == list(range(40))


def test_business_days_are_equal_steps_and_a_holiday_is_missing(tmp_path: Path) -> None:
    days = [one for one in map(str, np.arange("2023-12-11", "2024-01-13", dtype="datetime64[D]"))]
    there = [one for one in days if np.is_busday(one) and one != "2023-12-25"]
    text = "time,load\n" + "".join(f"{one},{place}\n" for place, one in enumerate(there))
    table = read_table(written(tmp_path, text), Columns())
    grid = first_grid(table, None)
    (series,) = to_series(table, grid).values()
    assert (grid.season, len(series.values)) == (5, len(there) + 1)
    assert np.flatnonzero(np.isnan(series.values[:, 0])).tolist() == [10]
    wave = grid.calendar(range(10))
    np.testing.assert_allclose(wave[:5, :2], wave[5:, :2], atol=1e-6)
    further = written(tmp_path, text + "2024-01-13,1\n", "saturday.csv")
    with pytest.raises(DataError, match="2024-01-13 of the series lies between two steps"):
        to_series(read_table(further, Columns()), grid)


def test_days_of_a_table_that_is_shorter_than_two_weeks_are_kept_as_json(tmp_path: Path) -> None:
    text = "time,load\n" + "".join(f"2024-01-0{day},1\n" for day in range(1, 6))
    grid = first_grid(read_table(written(tmp_path, text), Columns()), None)
    assert json.loads(json.dumps(asdict(grid)))["business_days"] is False


def test_days_that_were_combined_have_no_time_of_day(tmp_path: Path) -> None:
    text = "time,load\n2024-01-01 07:12,1\n2024-01-01 19:30,2\n2024-01-02 08:00,2\n"
    table = read_table(written(tmp_path, text), Columns())
    assert first_grid(table, "1d", "mean").label(2) == "2024-01-03"
    assert first_grid(table, "6h", "mean").label(2) == "2024-01-01 18:00"


def test_an_hour_that_comes_twice_says_what_clocks_have_to_do_with_it(tmp_path: Path) -> None:
    text = "time,load\n2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 02:00,3\n"
    with pytest.raises(DataError, match=r"row 4.* repeats .* clocks are put back .* zone"):
        read_table(written(tmp_path, text), Columns())


def test_local_midnights_of_two_offsets_say_how_days_are_written(tmp_path: Path) -> None:
    stamps = ("2024-03-30 00:00+01:00", "2024-03-31 00:00+01:00", "2024-04-01 00:00+02:00")
    text = "time,load\n" + "".join(f"{one},1\n" for one in stamps)
    table = read_table(written(tmp_path, text), Columns())
    with pytest.raises(DataError, match="write them without time and zone, as 2024-03-31"):
        to_series(table, first_grid(table, None))


def test_a_later_table_has_stamps_of_the_same_kind(tmp_path: Path) -> None:
    grid = first_grid(zoned_table(tmp_path), None)
    further = written(tmp_path, "time,load\n2024-01-01 02:00,1\n", "further.csv")
    with pytest.raises(DataError, match="kind of those of the run, which are dates with a time"):
        read_further(further, Columns("time", ("load",)), {}, kind=grid.kind)


def test_later_rows_without_names_are_told_so(tmp_path: Path) -> None:
    further = written(tmp_path, "2024-01-01 03:00,1\n", "further.csv")
    with pytest.raises(DataError, match="the first row must name the columns, and it holds 2024"):
        read_further(further, Columns("time", ("load",)), {})


def test_steps_of_one_grid_are_all_written_alike() -> None:
    hourly, daily = Grid(size=3600, dated=True), Grid(size=86400, dated=True)
    noons = Grid(43200, 86400, dated=True)
    assert [hourly.label(step) for step in (23, 24)] == [
        "1970-01-01 23:00:00",
        "1970-01-02 00:00:00",
    ]
    assert daily.label(1) == "1970-01-02"
    assert noons.label(1) == "1970-01-02 12:00:00"
    assert Grid(0, 1, months=True, dated=True).label(1) == "1970-02-01"


def test_turns_of_the_calendar_that_training_never_saw_whole_are_not_read() -> None:
    hourly, monthly = Grid(size=3600, dated=True), Grid(months=True, dated=True)
    day, week, year = 86400, 604800, 365.2425 * 86400
    assert hourly.spanning(22).turns_s == ()
    assert hourly.spanning(24 * 340).turns_s == (day, week)
    assert hourly.spanning(24 * 360).turns_s == (day, week, year)
    assert hourly.spanning(24 * 8).turns_s == (day, week)
    assert hourly.spanning(24 * 366).turns_s == hourly.turns_s == (day, week, year)
    assert monthly.spanning(11).turns_s == ()
    assert monthly.spanning(12).turns_s == (year,)


def late_in(column: str) -> str:
    """Ten steps of the series a and b; of b a column begins at the ninth."""
    lines = ["step,shop,sales,open"]
    for step in range(1, 11):
        cells = {"sales": str(step), "open": "1"}
        late = cells | ({column: ""} if step < 9 else {})
        lines += [f"{step},a,{','.join(cells.values())}", f"{step},b,{','.join(late.values())}"]
    return "\n".join(lines) + "\n"


def refuse(folder: Path, text: str, columns: Columns) -> None:
    table = read_table(written(folder, text), columns)
    grid = first_grid(table, None)
    series = to_series(table, grid)
    refuse_unseen(table, series, split_by_time(series, 0.2, 0.2, dated=False), grid)


@pytest.mark.parametrize(
    ("text", "targets", "known", "message"),
    [
        (late_in("sales"), "sales", "open", "'sales': series 'b' .* ends before 7; .* is at 9"),
        (PLAIN_COUNTS, "sales", "open", "column 'sales': the series has no value there; name the"),
        (PLAIN_COUNTS, "count", "open", "column 'open': the part to train on .* out of --known"),
    ],
)
def test_what_training_would_never_see_is_refused(
    tmp_path: Path, text: str, targets: str, known: str, message: str
) -> None:
    series = "shop" if "shop" in text else None
    with pytest.raises(DataError, match=message):
        refuse(tmp_path, text, Columns("step", (targets,), series, (known,)))


def test_a_known_column_may_begin_late_in_one_series(tmp_path: Path) -> None:
    refuse(tmp_path, late_in("open"), Columns("step", ("sales",), "shop", ("open",)))


ROUND = {
    "hours": ("2024-03-04T22:00 2024-03-04T23:00", 0, 49, "2024-03-05T00:00 2024-03-06T00:00"),
    "hours of a zone": (
        "2024-03-04T22:00+05:30 2024-03-04T23:00+05:30",
        0,
        49,
        "2024-03-05T00:00+05:30 2024-03-06T00:00+05:30",
    ),
    "days": ("2024-03-05 2024-03-06 2024-03-07", 0, 20, "2024-03-11 2024-03-18 2024-03-25"),
    "months": ("2023-11 2023-12 2024-01", 0, 30, "2024-01 2025-01 2026-01"),
}


@pytest.mark.parametrize("name", ROUND)
def test_round_steps_are_midnights_mondays_and_januaries(tmp_path: Path, name: str) -> None:
    stamps, first, last, expected = ROUND[name]
    text = "time,load\n" + "".join(f"{one},1\n" for one in stamps.split())
    grid = first_grid(read_table(written(tmp_path, text), Columns("time")), None)
    assert " ".join(map(grid.label, grid.round_steps(first, last, 3))) == expected


def test_there_are_no_round_steps_without_a_calendar() -> None:
    assert Grid().round_steps(0, 50, 7) == []
    assert Grid(size=3600, dated=True).round_steps(1, 1, 7) == []


@pytest.mark.parametrize(
    ("seconds", "season"),
    [(1, 1), (60, 1440), (300, 288), (600, 144), (10800, 8), (43200, 2), (86400, 7), (604800, 52)],
)
def test_a_season_is_a_day_a_week_or_a_year(seconds: int, season: int) -> None:
    assert Grid(size=seconds, dated=True).season == season
    assert Grid(size=seconds).season == 1
