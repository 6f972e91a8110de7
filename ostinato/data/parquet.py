"""Parquet files, read row by row as the text that a CSV file would hold.

So that a table means the same in either form: dates in ISO 8601, of a zone with their distance from
UTC, truths as 1 and 0, nothing where a value is missing.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ostinato.errors import DataError, missing_extra

SUFFIXES = (".parquet", ".pq")
_ROWS_AT_ONCE = 1 << 16


def is_parquet(path: Path | str) -> bool:
    """Whether the name says that a file is Parquet."""
    return str(path).lower().endswith(SUFFIXES)


class ParquetTable:
    """A Parquet file.

    Args:
        path: of the file.
        separator: joins what a list of texts holds. None: lists are refused.

    Raises:
        DataError: there is no such file, or it is no Parquet.
        MissingExtraError: polars is not installed.
    """

    def __init__(self, path: Path | str, separator: str | None = None) -> None:
        polars = _polars()
        self._separator = separator
        if not Path(path).is_file():
            raise DataError(f"there is no file {path} (looked in {Path.cwd()})")
        self.name = str(path)
        try:
            self._types = dict(polars.read_parquet_schema(path))
        except (polars.exceptions.PolarsError, OSError) as problem:
            raise DataError(f"{path} is no Parquet file that can be read: {problem}") from None

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self._types)

    @property
    def others(self) -> dict[str, str]:
        """Those that hold no text, as lists, with what they hold."""
        polars = _polars()
        return {name: str(kind) for name, kind in self._types.items() if not _is_text(polars, kind)}

    def count(self) -> int:
        """How many rows it has."""
        polars = _polars()
        return int(polars.scan_parquet(self.name).select(polars.len()).collect().item())

    def rows(
        self, columns: Sequence[str] | None = None, *, others_named: bool = False
    ) -> Iterator[tuple[int, list[str]]]:
        """Each row's number, from 1, and its cells as text; memory holds some rows at a time.

        Args:
            columns: which; None: all.
            others_named: what is no text, as a list, is its kind, as `<List(Int64)>`: not refused
                where nobody reads it.

        Raises:
            DataError: a column of lists or of other things that are no text; a text in a list that
                holds the separator.
        """
        polars = _polars()
        names = self.columns if columns is None else columns
        wanted = [self._as_text(polars, name, others_named) for name in names]
        lists = [place for place, name in enumerate(names) if self._is_list(polars, name)]
        lazy = polars.scan_parquet(self.name)
        for first in itertools.count(0, _ROWS_AT_ONCE):
            piece = lazy.slice(first, _ROWS_AT_ONCE).select(wanted).collect()
            for number, row in enumerate(piece.iter_rows(), start=first + 1):
                cells = list(row)
                for place in lists:
                    cells[place] = self._joined(cells[place], names[place], number)
                yield number, cells
            if piece.height < _ROWS_AT_ONCE:
                return

    def _is_list(self, polars: Any, name: str) -> bool:
        return self._separator is not None and self._types[name] == polars.List(polars.String)

    def _as_text(self, polars: Any, name: str, others_named: bool) -> Any:
        """The expression that makes a column text."""
        kind = self._types[name]
        if self._is_list(polars, name):
            return polars.col(name).fill_null([])
        if _is_text(polars, kind):
            return _as_text(polars, name, kind)
        if others_named:
            return polars.lit(f"<{kind}>").alias(name)
        raise DataError(
            f"{self.name}, column {name!r} holds {kind}, and numbers or texts are expected"
        )

    def _joined(self, cell: list[str | None], column: str, number: int) -> str:
        assert self._separator is not None
        for one in cell:
            if one is None or self._separator in one:
                what = "nothing" if one is None else f"{one!r}"
                raise DataError(
                    f"{self.name}, row {number}, column {column!r}: the list holds {what}, and "
                    f"texts without the separator {self._separator!r} are expected"
                )
        return self._separator.join(map(str, cell))


def _is_text(polars: Any, kind: Any) -> bool:
    return not kind.is_nested() and kind not in (polars.Binary, polars.Object, polars.Duration)


def _as_text(polars: Any, name: str, kind: Any) -> Any:
    column = polars.col(name)
    if kind == polars.Boolean:
        column = column.cast(polars.Int8)
    if isinstance(kind, polars.Datetime):
        zone = "" if kind.time_zone is None else "%:z"
        column = column.dt.to_string("%Y-%m-%d %H:%M:%S%.f" + zone)
    return column.cast(polars.String).fill_null("")


def _polars() -> Any:
    try:
        import polars
    except ImportError as problem:
        raise missing_extra("polars", "tables") from problem
    return polars
