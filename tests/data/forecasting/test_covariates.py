"""Static columns, the calendar, rows that combine, and tables in another form."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars
import pytest

from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.grid import Grid, grid_of
from ostinato.data.forecasting.series import first_grid, to_series
from ostinato.data.forecasting.static import learn_static
from ostinato.data.forecasting.table import read_further, read_table
from ostinato.data.forecasting.time_stamps import parse_stamp
from ostinato.errors import DataError

SHOPS = Columns("t", ("v",), "shop", static=("region", "size"))
TABLE = "t,shop,region,size,v\n1,a,north,10,5\n1,b,south,30,6\n2,a,,10,5\n2,b,south,30,6\n"


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_static_column_is_read_once_a_series(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, TABLE), SHOPS)
    assert {name: rows.static for name, rows in table.series.items()} == {
        "a": ["north", "10"],
        "b": ["south", "30"],
    }


def test_a_static_column_that_changes_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 6, column 'region': 'east', but an earlier row of"):
        read_table(written(tmp_path, TABLE + "3,a,east,10,5\n"), SHOPS)


def test_later_tables_may_leave_static_columns_out_but_not_change_them(tmp_path: Path) -> None:
    known = {"a": ["north", "10"], "b": ["south", "30"]}
    table = read_further(written(tmp_path, "t,shop,v\n3,a,5\n"), SHOPS, known)
    assert [piece.numbers.tolist() for piece in table.log.pieces()] == [[[5]]]
    changed = written(tmp_path, "t,shop,size,v\n3,a,10,5\n3,b,31,5\n")
    with pytest.raises(DataError, match=r"row 3, column 'size': '31', but an earlier row"):
        read_further(changed, SHOPS, known)


def test_numbers_are_standardised_and_words_are_one_of_many() -> None:
    static = {"a": ["north", "10"], "b": ["south", "30"], "c": ["", ""]}
    coding = learn_static(("region", "size"), static)
    assert coding.width == 4
    assert coding.features(static["a"]).tolist() == [1, 0, -1, 1]
    assert coding.features(static["b"]).tolist() == [0, 1, 1, 1]
    assert coding.features(static["c"]).tolist() == [0, 0, 0, 0]


def test_parquet_is_read_as_csv(tmp_path: Path) -> None:
    start = datetime(2024, 1, 1)
    times = [start + timedelta(hours=hour) for hour in (0, 1, 3)]
    frame = polars.DataFrame({"when": times, "load": [1.5, None, 2.25], "kind": ["x"] * 3})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    columns = Columns(targets=("load",))
    one, other = (read_table(tmp_path / name, columns) for name in ("t.parquet", "t.csv"))
    assert one.columns == other.columns == Columns("when", ("load",))
    assert one.log.first_stamps(0, 9) == other.log.first_stamps(0, 9)
    (ours,), (theirs,) = one.log.pieces(), other.log.pieces()
    np.testing.assert_array_equal(ours.numbers, theirs.numbers)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Kolkata", "2024-03-31 09:30:00+05:30"),
        ("Europe/Berlin", "2024-03-31 04:00:00+00:00"),  # its clocks were put on in between
        (None, "2024-03-31 04:00:00"),
    ],
)
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_steps_to_come_say_their_zone_where_parquet_does(
    tmp_path: Path, zone: str | None, expected: str, unit: str
) -> None:
    hours = polars.Series([datetime(2024, 3, 31, hour) for hour in range(4)])
    times = hours.cast(polars.Datetime(unit))
    if zone:
        times = times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    path = tmp_path / "t.parquet"
    polars.DataFrame({"when": times, "load": [1.0] * 4}).write_parquet(path)
    assert first_grid(read_table(path, Columns()), None).label(4) == expected


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_how_far_the_reading_of_a_long_table_is_is_told(tmp_path: Path, name: str) -> None:
    rows, path = 150_000, tmp_path / name
    frame = polars.DataFrame({"t": range(rows), "load": [1.5] * rows})
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    told = []
    read_table(path, Columns("t"), lambda *words: told.append(words))
    done, total, what = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert (len(done), set(total), set(what)) == (2, {path.stat().st_size}, {"reading"})
    assert done[-1] / total[0] == pytest.approx(2 * 65536 / rows, abs=0.1)


def test_text_in_a_number_column_of_parquet_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    polars.DataFrame({"t": [1, 2], "v": ["1", "x"]}).write_parquet(path)
    with pytest.raises(DataError, match=r"t.parquet, row 2, column 'v': .* got 'x'"):
        read_table(path, Columns("t"))


def test_lists_in_parquet_are_refused_where_they_are_read_only(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    polars.DataFrame({"t": [1, 2], "v": [3, 4], "tags": [["a"], []]}).write_parquet(path)
    (piece,) = read_table(path, Columns("t", ("v",))).log.pieces()
    np.testing.assert_array_equal(piece.numbers, [[3], [4]])
    with pytest.raises(DataError, match=r"column 'tags': .*got '<List\(String\)>'; .*--target"):
        read_table(path, Columns("t"))
    for columns in (Columns("t", ("v",), series="tags"), Columns("t", ("v",), static=("tags",))):
        with pytest.raises(DataError, match=r"column 'tags' holds List\(String\), and texts"):
            read_table(path, columns)


def test_other_marks_between_columns_are_refused_or_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="parted by tabs"):
        read_table(written(tmp_path, "t\tv\n1\t2\n"), Columns())
    tabs = read_table(written(tmp_path, "t\tv\n1\t2\n", "table.tsv"), Columns("t"))
    assert [piece.numbers.tolist() for piece in tabs.log.pieces()] == [[[2]]]


@pytest.mark.parametrize(
    ("combine", "expected"),
    [("mean", [2, np.nan, 7]), ("sum", [4, np.nan, 7]), ("last", [3, np.nan, 7])],
)
def test_rows_of_a_step_combine_as_asked(tmp_path: Path, combine, expected) -> None:
    text = "t,v\n2024-01-01 00:10,1\n2024-01-01 00:50,3\n2024-01-01 00:55,\n2024-01-01 02:01,7\n"
    table = read_table(written(tmp_path, text), Columns())
    grid = first_grid(table, "1h", combine)
    (series,) = to_series(table, grid).values()
    np.testing.assert_array_equal(series.values[:, 0], expected)
    assert grid.label(0) == "2024-01-01 00:00"
    assert grid.last_stamp(0) == parse_stamp("2024-01-01 00:59:59")[0]


def test_rows_between_steps_are_refused_unless_they_combine(tmp_path: Path) -> None:
    text = "t,v\n2024-01-01 00:00,1\n2024-01-01 00:50,3\n"
    table = read_table(written(tmp_path, text), Columns())
    with pytest.raises(DataError, match=r"lies between two steps.*--combine"):
        to_series(table, first_grid(table, "1h"))


def test_combined_weeks_begin_on_mondays_and_months_on_their_first() -> None:
    stamps = [parse_stamp(text)[0] for text in ("2024-05-16", "2024-05-30")]
    weekly = grid_of(stamps, dated=True, frequency="1w").combining("mean")
    monthly = grid_of(stamps, dated=True, frequency="1mo").combining("sum")
    assert (weekly.label(0), monthly.label(1)) == ("2024-05-13", "2024-06-01")
    assert monthly.step_of(parse_stamp("2024-06-30 23:00")[0]) == 1


def test_the_calendar_tells_only_what_differs_between_steps() -> None:
    hourly, daily = Grid(size=3600, dated=True), Grid(size=86400, dated=True)
    weekly, monthly = Grid(size=604800, dated=True), Grid(size=1, months=True, dated=True)
    widths = [grid.calendar([0, 5]).shape[1] for grid in (hourly, daily, weekly, monthly, Grid())]
    assert widths == [6, 4, 2, 2, 0]
    quarter_of_a_day = hourly.calendar([6])[0]
    assert quarter_of_a_day[:2] == pytest.approx([1, 0], abs=1e-6)
