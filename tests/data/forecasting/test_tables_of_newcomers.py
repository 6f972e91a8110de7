"""Tables as people bring them: what is read all the same, and what is refused with what to do."""

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
        (PLAIN.replace(",", ";").replace("1\n", "1,5\n"), "parted by semicolons; commas are"),
        (PLAIN.replace("3\n", '"3,5"\n'), "row 4, column 'load': .*'3,5'; decimals are written"),
        (PLAIN.replace("3\n", '"1.234,5"\n'), "thousands without a mark"),
        (PLAIN.replace("3\n", "3,5\n"), "row 4: 3 values, .* decimals have a point"),
        (PLAIN.replace("3\n", "low\n"), "row 4, column 'load': .*got 'low'; a column that is not"),
        (PLAIN.replace("1\n", '"1\n'), r"rows 2-4: .*a quote that opens a value must close"),
        (PLAIN.replace("time,load\n", ""), "first row must name the columns, and it holds 2024-01"),
        ("0.5,1\n0.7,2\n", "the first row must name the columns"),
        (",load\n0,1\n1,2\n", "column 1 has no name; is it a row number"),
        (PLAIN.replace("2024-01-01 02", "01/01/2024 02"), "row 4, column 'time': expected a date"),
        (PLAIN.replace("02:00", "02:00+01:00"), "row 4, .*rows before, which are dates without a"),
        (PLAIN.replace("2024-01-01 02:00", "17"), "'17' is not of the kind of those of the rows"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, content), Columns())


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


def test_stamps_with_a_zone_come_back_in_utc_and_say_so(tmp_path: Path) -> None:
    grid = first_grid(zoned_table(tmp_path), None)
    assert [grid.label(step) for step in (0, 2)] == [
        "2023-12-31 22:00:00+00:00",
        "2024-01-01 00:00:00+00:00",
    ]


def test_a_later_table_has_stamps_of_the_same_kind(tmp_path: Path) -> None:
    grid = first_grid(zoned_table(tmp_path), None)
    further = written(tmp_path, "time,load\n2024-01-01 02:00,1\n", "further.csv")
    with pytest.raises(DataError, match="kind of those of the run, which are dates with a time"):
        read_further(further, Columns("time", ("load",)), {}, kind=grid.kind)


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
