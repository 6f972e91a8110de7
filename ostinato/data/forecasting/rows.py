"""The rows of a table, as text: from CSV, from TSV, from Parquet, or from standard input."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from ostinato.data.parquet import ParquetTable, is_parquet
from ostinato.errors import DataError


class Rows(NamedTuple):
    """A file that is open.

    Attributes:
        name: for messages.
        header: the names of the columns.
        cells: each row with its number: the line of a text file, from 1 in a Parquet file.
    """

    name: str
    header: list[str]
    cells: Iterator[tuple[int, Sequence[str]]]


@contextmanager
def open_rows(path: Path | str) -> Iterator[Rows]:
    """Open a table.

    Args:
        path: a file whose name ends in .parquet or .pq, or .tsv, else CSV; "-": standard input,
            CSV.

    Raises:
        DataError: there is none, or it has no header; while reading: a row of another width.
        MissingExtraError: Parquet, and polars is not installed.
    """
    if is_parquet(path):
        table = ParquetTable(path)
        yield Rows(table.name, table.columns, table.rows())
        return
    name = "standard input" if str(path) == "-" else str(path)
    with _opened(path) as file:
        tabs = str(path).lower().endswith(".tsv")
        reader = csv.reader(file, skipinitialspace=True, delimiter="\t" if tabs else ",")
        try:
            header = [one.strip() for one in next(reader, [])]
            if not any(header):
                raise DataError(f"{name} is empty: the first row must name the columns")
            _refuse_other_delimiter(header, name)
            yield Rows(name, header, _numbered(reader, header, name))
        except csv.Error as problem:
            raise DataError(f"{name}, row {reader.line_num}: {problem}") from None


def _numbered(reader: Any, header: Sequence[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line numbers in the file; empty lines are passed over."""
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{name}, row {reader.line_num}: {len(row)} values, but the header names "
                f"{len(header)} columns"
            )
        yield reader.line_num, row


def _refuse_other_delimiter(header: Sequence[str], name: str) -> None:
    for mark, said in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise DataError(
                f"{name}: the columns seem to be parted by {said}; commas are expected"
                + (", or a file whose name ends in .tsv" if mark == "\t" else "")
            )


@contextmanager
def _opened(path: Path | str) -> Iterator[IO[str]]:
    """The file as text: UTF-8, else Latin-1, of which every byte is a character."""
    if str(path) == "-":
        yield sys.stdin
        return
    try:
        with open(path, "rb") as file:
            file.read(1 << 20).decode("utf-8", errors="strict")
        encoding = "utf-8-sig"
    except UnicodeDecodeError as problem:
        # A character may be cut where the piece ends.
        encoding = "utf-8-sig" if problem.end >= (1 << 20) - 3 else "latin-1"
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from None
    with open(path, encoding=encoding, newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as problem:
            raise DataError(f"{path} is neither UTF-8 nor Latin-1 throughout: {problem}") from None
