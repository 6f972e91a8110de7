"""The rows of a table, as text: from CSV, from TSV, from Parquet, or from standard input."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from ostinato.data.delimiters import DecimalCommas, told_by_header
from ostinato.data.parquet import ParquetTable, is_parquet
from ostinato.errors import DataError

_LOOKED_AT = 1 << 20
"""Bytes that tell the encoding."""


class Rows(NamedTuple):
    """A file that is open.

    Attributes:
        name: for messages.
        header: the names of the columns.
        cells: each row with its number: the line of a text file, from 1 in a Parquet file.
        reached: of a number of rows that were taken, the bytes that these are and those in all;
            None of standard input.
        commas: what reads the numbers of a table with semicolons; None: decimals have a point.
        others: columns of a Parquet file that hold no text, as lists, with what they hold.
    """

    name: str
    header: list[str]
    cells: Iterator[tuple[int, Sequence[str]]]
    reached: Callable[[int], tuple[int, int]] | None = None
    commas: DecimalCommas | None = None
    others: Mapping[str, str] = MappingProxyType({})


@contextmanager
def open_rows(path: Path | str) -> Iterator[Rows]:
    """Open a table.

    Args:
        path: a file whose name ends in .parquet or .pq, or .tsv, else CSV, with commas or, where
            these stand between the names of the columns, semicolons, which decimals with a comma
            may stand between; "-": standard input, CSV.

    Raises:
        DataError: there is none, it is no text, or it has no header; while reading: a row of
            another width, or a quote that is not closed.
        MissingExtraError: Parquet, and polars is not installed.
    """
    if is_parquet(path):
        table = ParquetTable(path)
        size, count = Path(path).stat().st_size, max(1, table.count())

        def reached(taken: int) -> tuple[int, int]:
            return size * taken // count, size

        cells = table.rows(others_named=True)
        yield Rows(table.name, table.columns, cells, reached, others=table.others)
        return
    name = "standard input" if str(path) == "-" else str(path)
    with _opened(path, name) as file:
        mark, text = ("\t", file) if str(path).lower().endswith(".tsv") else told_by_header(file)
        lines = _lines(csv.reader(text, skipinitialspace=True, delimiter=mark, strict=True), name)
        _, header = next(lines, (0, []))
        header = [one.strip() for one in header]
        if not any(header):
            raise DataError(f"{name} is empty: the first row must name the columns")
        if len(header) == 1 and "\t" in header[0]:
            raise DataError(
                f"{name}: the columns seem to be parted by tabs; commas or semicolons are "
                "expected, or a file whose name ends in .tsv"
            )
        cells = _numbered(lines, header, name)
        commas = DecimalCommas(name, "row", header) if mark == ";" else None
        yield Rows(name, header, cells, _reached(file, path), commas)


def _reached(file: IO[str], path: Path | str) -> Callable[[int], tuple[int, int]] | None:
    """The bytes of a file of text that were taken from it, some of them in advance."""
    if str(path) == "-":
        return None
    size = Path(path).stat().st_size
    return lambda _: (file.buffer.tell(), size)  # pyright: ignore[reportAttributeAccessIssue]


def _lines(reader: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line that each begins on; empty ones are passed over."""
    first = 1
    try:
        for row in reader:
            if row:
                yield first, row
            first = reader.line_num + 1
    except csv.Error as problem:
        lines = f"row {first}" if reader.line_num <= first else f"rows {first}-{reader.line_num}"
        raise DataError(
            f"{name}, {lines}: {problem}; a quote that opens a value must close behind it, and one "
            'in the value is written twice ("")'
        ) from None


def _numbered(
    lines: Iterator[tuple[int, list[str]]], header: Sequence[str], name: str
) -> Iterator[tuple[int, list[str]]]:
    for number, row in lines:
        if len(row) != len(header):
            raise DataError(
                f"{name}, row {number}: {len(row)} values, but the header names {len(header)} "
                "columns; every row needs as many, a missing value is an empty cell, and decimals "
                "have a point (or a comma, where semicolons part the columns)"
            )
        yield number, row


@contextmanager
def _opened(path: Path | str, name: str) -> Iterator[IO[str]]:
    """The file as text: UTF-8, else Latin-1, of which every byte is a character."""
    if str(path) == "-":
        with _standard_input() as file:
            yield file
        return
    with open(path, encoding=_encoding_of(path), newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as problem:
            raise DataError(f"{name} is neither UTF-8 nor Latin-1 throughout: {problem}") from None


@contextmanager
def _standard_input() -> Iterator[IO[str]]:
    if sys.stdin is None:
        raise DataError("there is nothing to read: standard input is closed")
    file = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
    try:
        yield file
    except UnicodeDecodeError as problem:
        raise DataError(f"standard input is no UTF-8: {problem}") from None
    finally:
        file.detach()  # it is not ours to close


def _encoding_of(path: Path | str) -> str:
    try:
        with open(path, "rb") as file:
            beginning = file.read(_LOOKED_AT)
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from None
    if b"\0" in beginning:
        raise DataError(
            f"{path} is no plain text: of a spreadsheet export a CSV file in UTF-8 (UTF-16 is not "
            "read), and unpack what is packed"
        )
    try:
        beginning.decode("utf-8")
    except UnicodeDecodeError as problem:
        # A character may be cut where the piece ends.
        return "utf-8-sig" if problem.end >= _LOOKED_AT - 3 else "latin-1"
    return "utf-8-sig"
