"""A table whose first row names the columns: CSV, TSV, JSON lines or Parquet."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ostinato.data.delimiters import DecimalCommas, told_by_header
from ostinato.data.parquet import ParquetTable
from ostinato.errors import DataError
from ostinato.names import nearest

_HOLDS = {"--label": "holds the classes", "--text": "holds the texts"}


class Table(NamedTuple):
    """The columns of a table and its rows, as text.

    Attributes:
        name: of the file, for messages.
        columns: their names, each once.
        cells: each row with its number.
        unit: what is numbered: the line of a file of text, the row of a Parquet file.
        head: what names the columns, for messages.
        commas: what reads the numbers of a table with semicolons; None: decimals have a point.
    """

    name: str
    columns: list[str]
    cells: Iterator[tuple[int, list[str]]]
    unit: str
    head: str
    commas: DecimalCommas | None = None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with its number.

        Raises:
            DataError: a row of another width.
        """
        for number, cells in self.cells:
            if len(cells) != len(self.columns):
                raise DataError(
                    f"{self.place(number)} has {len(cells)} columns, but line 1 names "
                    f"{len(self.columns)}"
                )
            yield number, cells

    def numbers(self, number: int, cells: list[str], places: Sequence[int]) -> list[str]:
        """Cells of a row that are numbers, with a point in decimals; `places` of their columns."""
        return cells if self.commas is None else self.commas(number, cells, places)

    def place(self, number: int) -> str:
        """Where a row stands, file and all."""
        return f"{self.name}, {self.unit} {number}"

    def place_of(self, column: str, option: str) -> int:
        """Where a column stands, from 0.

        Raises:
            DataError: there is none of this name; names the nearest.
        """
        if column not in self.columns:
            raise DataError(
                f"{self.head} names no column {column!r} ({option}); it names "
                f"{names_in_words(self.columns)}" + nearest(column, self.columns)
            )
        return self.columns.index(column)

    def usual(self, names: Sequence[str], option: str, taken: int | None) -> int:
        """The column that is named as such columns usually are, or is the only one left.

        Args:
            names: the usual ones, in small letters.
            option: that says which it is.
            taken: a column that is something else.

        Raises:
            DataError: there is none, or more than one; tells the columns.
        """
        found = [place for place, name in enumerate(self.columns) if name.lower() in names]
        left = [place for place in range(len(self.columns)) if place != taken]
        if len(found) == 1:
            return found[0]
        if not found and len(left) == 1 and taken is not None:
            return left[0]
        called = " or ".join(repr(self.columns[place]) for place in found)
        named = "the column " if len(self.columns) == 1 else "the columns "
        raise DataError(
            f"{self.head} names {named}{names_in_words(self.columns)}: say with {option} which "
            f"{_HOLDS[option]}"
            + (f", {called}" if found else f"; none is called {', '.join(names)}")
            + self._what_else(option)
        )

    def _what_else(self, option: str) -> str:
        """What may be wrong where a column is not found."""
        if "" in self.columns:
            return f"; column {self.columns.index('') + 1} has no name: write one in the first row"
        if len(self.columns) == 1:
            return "; a column of classes beside it is needed" if option == "--label" else ""
        if option == "--text":
            return (
                "; a table of numbers needs --format wide (a series a row) or --series (a time "
                "step a row)"
            )
        return ""


def text_table(lines: Iterable[str], name: str, kind: str, separator: str | None = None) -> Table:
    """A table of lines.

    Args:
        lines: without their ends.
        name: of the file, for messages.
        kind: csv (with commas, or semicolons where these part the names of the columns), tsv or
            jsonl, whose first object names the columns.
        separator: joins the labels where an object of jsonl has a list of them.

    Raises:
        DataError: no rows, a repeated name.
    """
    is_objects, mark = kind == "jsonl", "\t"
    if kind == "csv":
        mark, lines = told_by_header(lines)
    cells = _objects(lines, name, separator) if is_objects else _rows(lines, name, kind, mark)
    try:
        columns = [column.strip() for column in next(cells)[1]]
    except StopIteration:
        raise DataError(f"{name} is empty: it has no row that names the columns") from None
    if kind == "csv" and len(columns) == 1 and "\t" in columns[0]:
        raise DataError(
            f"{name}, line 1 is one column, {columns[0]!r}: the cells of a .csv have commas or "
            "semicolons between; with tabs it is a .tsv"
        )
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"{name}, line 1 names the column {min(twice)!r} twice")
    commas = DecimalCommas(name, "line", columns) if mark == ";" else None
    return Table(name, columns, cells, "line", f"{name}, line 1", commas)


def parquet_table(path: Path, separator: str | None = None) -> Table:
    """A table of a Parquet file, read some rows at a time.

    Args:
        path: of the file.
        separator: joins the labels where a column holds lists of them.

    Raises:
        DataError: no such file, or no Parquet; while reading, a column of other things than
            numbers, texts, dates and truths.
        MissingExtraError: polars is not installed.
    """
    table = ParquetTable(path, separator)
    return Table(table.name, table.columns, table.rows(), "row", table.name)


def names_in_words(columns: Sequence[str]) -> str:
    """The first twelve columns, and how many there are besides."""
    some = ", ".join(map(repr, columns[:12]))
    return some + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")


def _rows(lines: Iterable[str], name: str, kind: str, mark: str) -> Iterator[tuple[int, list[str]]]:
    ended = (line + "\n" for line in lines)
    if kind == "tsv":  # where a quotation mark is one
        reader = csv.reader(ended, delimiter=mark, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(ended, delimiter=mark, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{name}, line {first}: {error}") from None
        if cells is None:
            return
        if cells:
            yield first, cells


def _objects(
    lines: Iterable[str], name: str, separator: str | None
) -> Iterator[tuple[int, list[str]]]:
    columns: list[str] | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{name}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{name}, line {number} must be an object of named values")
        if columns is None:
            columns = list(row)
            yield 0, columns
        missing = [column for column in columns if column not in row]
        if missing:
            raise DataError(f"{name}, line {number} has no {missing[0]!r}, as line 1 has")
        place = f"{name}, line {number}"
        yield number, [_cell(row[column], column, place, separator) for column in columns]


def _cell(value: object, column: str, place: str, separator: str | None) -> str:
    """A value of JSON as the cell of a table; null is an empty one."""
    if not isinstance(value, list):
        return "" if value is None else str(value)
    if separator is None:
        raise DataError(
            f"{place}: {column!r} is a list; if it holds the labels of a sample, say with "
            '--separator "|" that there can be several'
        )
    for one in value:
        if separator in str(one):
            raise DataError(f"{place}: {one!r} in {column!r} holds the separator {separator!r}")
    return separator.join(map(str, value))
