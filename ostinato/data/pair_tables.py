"""Tables of pairs row by row: columns of a .tsv, fields of a .jsonl, or dialogues."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ostinato.data.dialogues import DEFAULT_HISTORY, answered_turns, read_turns
from ostinato.data.pair_layout import PairLayout
from ostinato.data.text_lines import read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

_TABLES = (".tsv", ".jsonl")
_Columns = tuple[str, str]


class Row(NamedTuple):
    """A pair and the line it comes from, counted from 1; a line without a pair has empty sides."""

    line: int
    source: str
    target: str


class PairTable:
    """A file of pairs, or of dialogues.

    Args:
        source: the file.
        layout: where its pairs are.

    Raises:
        DataError: it is no such file, or not of the kind that the layout speaks of.
    """

    def __init__(self, source: TextSource, layout: PairLayout) -> None:
        self.source = source
        self.layout = layout
        self.kind = _kind(source)
        self.of_dialogues = not layout.names_columns and self._begins_with_turns()
        if layout.is_of_dialogues and not self.of_dialogues:
            raise DataError(
                f"{source.name} holds no dialogues, which history and answers are for: a line of "
                'a .jsonl with a list of "turns" each'
            )

    @property
    def history(self) -> int | None:
        """Turns before the one that is answered; None where these are no dialogues."""
        if not self.of_dialogues:
            return None
        return DEFAULT_HISTORY if self.layout.history is None else self.layout.history

    @property
    def what(self) -> str:
        """What a row is, in words."""
        if not self.of_dialogues:
            return "pair of sentences"
        by = self.layout.answers
        return "turn that answers another" if by is None else f"turn of {by} that answers another"

    def rows(self, progress: Progress | None = None) -> Iterator[Row]:
        """The pairs in order.

        Raises:
            DataError: a line that is not what it must be; names it.
        """
        if self.of_dialogues:
            return self._dialogues(progress)
        first, second = ("1", "2") if self.kind == ".tsv" else ("source", "target")
        columns = self.layout.source_column or first, self.layout.target_column or second
        if columns[0] == columns[1]:
            raise DataError(
                f"source and target of {self.source.name} are both column {columns[0]}: name "
                "source_column and target_column"
            )
        return self._rows_of(columns, progress)

    def sources(self) -> Iterator[str]:
        """The sources alone, whose targets need not be there.

        Raises:
            DataError: as for `rows`.
        """
        if self.of_dialogues:
            return (row.source for row in self._dialogues(None) if row.source)
        column = self.layout.source_column or ("1" if self.kind == ".tsv" else "source")
        return (row.source for row in self._rows_of((column, column), None))

    def _dialogues(self, progress: Progress | None) -> Iterator[Row]:
        history = self.history or 0
        for number, place, line in self._lines(progress):
            turns = read_turns(_object(line, place), place) if line.strip() else []
            pairs = list(answered_turns(turns, history, self.layout.answers))
            yield from (Row(number, *pair) for pair in pairs or [("", "")])

    def _rows_of(self, columns: _Columns, progress: Progress | None) -> Iterator[Row]:
        lines = self._lines(progress)
        read = _fields(columns)
        if self.kind == ".tsv":
            if not all(name.isdecimal() for name in columns):
                columns = _named_columns(columns, next(lines, (1, self.source.name, "")))
            read = _cells(columns, self.source.name)
        for number, place, line in lines:
            yield Row(number, *(read(line, place) if line.strip() else ("", "")))

    def _lines(self, progress: Progress | None) -> Iterator[tuple[int, str, str]]:
        """Each line with its number and with words for where it stands."""
        lines = read_lines(self.source, Meter(progress, [self.source], "reading"))
        for number, line in enumerate(lines, start=1):
            yield number, f"{self.source.name}, line {number}", line

    def _begins_with_turns(self) -> bool:
        if self.kind != ".jsonl":
            return False
        for _, place, line in self._lines(None):
            if line.strip():
                return "turns" in _object(line, place)
        return False


def is_table(path: str | Path) -> bool:
    """Whether a file is a table of pairs, by its name."""
    return _suffix(Path(path)) in _TABLES


def _kind(source: TextSource) -> str:
    suffix = _suffix(source.path)
    if suffix not in _TABLES:
        raise DataError(
            f"{source.name} must be a table of pairs, {' or '.join(_TABLES)} (or these with .gz); "
            "or give two files, --source and --target"
        )
    return suffix


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _named_columns(columns: _Columns, head: tuple[int, str, str]) -> _Columns:
    """The numbers of columns that the first line names."""
    _, place, line = head
    names = [name.strip() for name in line.split("\t")]
    for column in columns:
        if not column.isdecimal() and column not in names:
            raise DataError(f"{place} names no column {column!r}; it has {', '.join(names)}")
    first, second = (c if c.isdecimal() else str(names.index(c) + 1) for c in columns)
    return first, second


def _cells(columns: _Columns, name: str) -> Callable[[str, str], tuple[str, str]]:
    """Reads these columns of a line, counted from 1."""
    first, second = (int(column) - 1 for column in columns)
    if min(first, second) < 0:
        raise DataError(f"the columns of {name} are counted from 1, got 0")

    def read(line: str, place: str) -> tuple[str, str]:
        cells = line.split("\t")
        if max(first, second) < len(cells):
            return cells[first], cells[second]
        if len(cells) == 1:
            raise DataError(f"{place} has no tab: it must be a source, a tab and a target")
        raise DataError(
            f"{place} has {len(cells)} columns, but column {max(columns, key=int)} is asked for"
        )

    return read


def _fields(columns: _Columns) -> Callable[[str, str], tuple[str, str]]:
    """Reads these fields of a line's object."""
    first, second = columns
    wanted = f'the text "{first}"' if first == second else f'the texts "{first}" and "{second}"'

    def read(line: str, place: str) -> tuple[str, str]:
        row = _object(line, place)
        texts = row.get(first), row.get(second)
        if not (isinstance(texts[0], str) and isinstance(texts[1], str)):
            there = ", ".join(f'"{name}"' for name in row)
            raise DataError(f"{place} must be an object with {wanted}; it has {there or 'nothing'}")
        return " ".join(texts[0].split("\n")), " ".join(texts[1].split("\n"))

    return read


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place} is no JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(
            f'{place} must be an object with the texts "source" and "target", or with "turns"'
        )
    return row
