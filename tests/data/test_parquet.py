"""A Parquet file is read as the CSV file with the same content."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars
import pytest

from ostinato.data.parquet import ParquetTable, is_parquet
from ostinato.errors import DataError, MissingExtraError


def test_cells_are_text_as_in_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    polars.DataFrame(
        {
            "when": [datetime(2024, 1, 1, 13), None],
            "zoned": [datetime(2024, 1, 1, 13, tzinfo=UTC)] * 2,
            "value": [1.5, None],
            "open": [True, False],
            "kind": ["é", None],
        }
    ).write_parquet(path)
    table = ParquetTable(path)
    assert is_parquet(path)
    assert table.columns == ["when", "zoned", "value", "open", "kind"]
    assert list(table.rows()) == [
        (1, ["2024-01-01 13:00:00", "2024-01-01 13:00:00+00:00", "1.5", "1", "é"]),
        (2, ["", "2024-01-01 13:00:00+00:00", "", "0", ""]),
    ]
    assert list(table.rows(["open"])) == [(1, ["1"]), (2, ["0"])]


def test_rows_are_numbered_over_more_than_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "long.pq"
    polars.DataFrame({"row": range(1, (1 << 16) + 3)}).write_parquet(path)
    assert all(str(number) == cells[0] for number, cells in ParquetTable(path).rows())
    assert sum(1 for _ in ParquetTable(path).rows()) == (1 << 16) + 2


def test_what_is_no_parquet_or_holds_lists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is no Parquet file"):
        ParquetTable(path)
    polars.DataFrame({"a": [[1, 2]]}).write_parquet(path)
    with pytest.raises(DataError, match="column 'a' holds List"):
        list(ParquetTable(path).rows())
    polars.DataFrame({"a": [timedelta(hours=1)]}).write_parquet(path)
    with pytest.raises(DataError, match="column 'a' holds Duration"):
        list(ParquetTable(path).rows())


def test_without_polars_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ostinato\[tables\]'"):
        ParquetTable(tmp_path / "table.parquet")
