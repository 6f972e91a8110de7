"""Tables of series: what is read, where gaps go, and what is refused with row and column."""

from pathlib import Path

import numpy as np
import pytest

from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.series import first_grid, to_series
from ostinato.data.forecasting.splits import scaling_of, split_by_time
from ostinato.data.forecasting.table import read_table
from ostinato.errors import DataError


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str, columns: Columns | None = None) -> str:
    with pytest.raises(DataError) as error:
        read_table(written(folder, text), columns or Columns())
    return str(error.value)


def test_steps_without_a_row_are_missing_values(tmp_path: Path) -> None:
    text = "day,a\n2024-01-01,1\n2024-01-02,2\n2024-01-04,NA\n2024-01-05,5\n"
    table = read_table(written(tmp_path, text), Columns())
    (series,) = to_series(table, first_grid(table, None)).values()
    assert series.values[:, 0].tolist() == pytest.approx([1, 2, np.nan, np.nan, 5], nan_ok=True)


def test_months_are_equal_steps(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "m,a\n1949-12,1\n1950-01,2\n1950-03,4\n"), Columns())
    grid = first_grid(table, None)
    assert grid.season == 12
    assert [grid.label(step) for step in (1, 3, 13)] == ["1950-01", "1950-03", "1951-01"]


def test_rows_of_several_series_may_be_mixed(tmp_path: Path) -> None:
    text = "t,s,v\n1,a,10\n1,b,20\n2,a,11\n3,b,22\n"
    table = read_table(written(tmp_path, text), Columns("t", ("v",), "s"))
    series = to_series(table, first_grid(table, None))
    assert series["a"].values[:, 0].tolist() == [10, 11]
    assert series["b"].values[:, 0].tolist() == pytest.approx([20, np.nan, 22], nan_ok=True)


def test_rows_after_the_last_value_say_what_is_known_of_the_future(tmp_path: Path) -> None:
    text = "t,v,holiday\n1,10,0\n2,11,1\n3,,0\n4,,1\n"
    table = read_table(written(tmp_path, text), Columns("t", ("v",), None, ("holiday",)))
    (series,) = to_series(table, first_grid(table, None)).values()
    assert len(series.values) == 2
    assert series.known[:, 0].tolist() == [0, 1, 0, 1]


def test_what_is_no_number_is_refused_with_row_and_column(tmp_path: Path) -> None:
    told = refusal(tmp_path, "t,a,b\n2024-01-01,1,2\n2024-01-02,1,x2\n")
    assert "table.csv, row 3, column 'b'" in told
    assert "'x2'" in told


def test_unsorted_and_repeated_time_stamps_are_refused(tmp_path: Path) -> None:
    unsorted = refusal(tmp_path, "t,a\n2024-01-02,1\n2024-01-01,2\n")
    repeated = refusal(tmp_path, "t,a\n2024-01-02,1\n2024-01-02,2\n")
    assert "row 3, column 't': '2024-01-01' comes before that of row 2" in unsorted
    assert "repeats the time stamp of row 2" in repeated


def test_an_unknown_column_is_refused_with_the_nearest(tmp_path: Path) -> None:
    told = refusal(tmp_path, "t,price\n1,2\n", Columns("t", ("pirce",)))
    assert "no column 'pirce' (--target)" in told
    assert "did you mean 'price'?" in told


def test_dates_cut_all_series_at_the_same_moment(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02d},{name},{day}" for name in "ab" for day in range(1, 21)]
    late = [row for row in rows if ",a," in row or row >= "2024-01-09"]
    table = read_table(written(tmp_path, "\n".join(["t,s,v", *late])), Columns("t", ("v",), "s"))
    series = to_series(table, first_grid(table, None))
    parts = split_by_time(series, 0.25, 0.25, dated=True)
    ends = {series[name].start + part.train_end for name, part in parts.items()}
    assert ends == {10}


def test_the_scale_is_that_of_the_training_part_alone(tmp_path: Path) -> None:
    text = "t,v\n" + "\n".join(f"{row},{value}" for row, value in enumerate([1, 3, 1, 3, 900]))
    table = read_table(written(tmp_path, text), Columns("t"))
    (series,) = to_series(table, first_grid(table, None)).values()
    scaling = scaling_of(series, 4)
    assert (scaling.location.tolist(), scaling.scale.tolist()) == ([2.0], [1.0])
