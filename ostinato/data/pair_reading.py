"""Reads parallel text: two files line by line, or one table of pairs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ostinato.data.text_reading import Meter, Progress, read_bytes
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

_TABLES = (".tsv", ".jsonl")


@dataclass(frozen=True)
class Pairs:
    """Sentences and their counterparts, as text.

    Attributes:
        sources, targets: as many of each; none is empty.
        lines: the line of each pair in its file, from 1.
        name: the file, or both, for messages.
        blank: lines that were empty on both sides, and left out.
    """

    sources: list[str]
    targets: list[str]
    lines: list[int]
    name: str
    blank: int


def read_pairs(
    source: str | Path, target: str | Path | None = None, *, progress: Progress | None = None
) -> Pairs:
    """Parallel text, plain or gzip, in UTF-8. Sides lose the white space around them.

    Args:
        source: a file with a sentence a line; or a table, where there is no `target`: a .tsv with
            source and target in its first two columns, or a .jsonl of objects with the texts
            "source" and "target". Either may be packed (.gz).
        target: a file whose line n is the counterpart of the source's line n.
        progress: called with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: a file that cannot be read or is no such table, files of different lengths, text
            that is no UTF-8, a pair of which one side is empty; names file and line.
    """
    if target is None:
        table = _found(source)
        return _collect(_table_rows(table, progress), (table.name, table.name))
    files = _found(source), _found(target)
    return _collect(_two_files(files, progress), (files[0].name, files[1].name))


def read_lines(source: TextSource, meter: Meter) -> Iterator[str]:
    """The lines of a text without their ends; a byte order mark is no part of it.

    Raises:
        DataError: a line that is no UTF-8.
    """
    for number, raw in enumerate(_raw_lines(source, meter), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source.name}, line {number} is not UTF-8: byte 0x{raw[error.start]:02x} at "
                f"place {error.start + 1} of the line ({error.reason}); convert the file to UTF-8"
            ) from None
        line = line.removesuffix("\r")
        yield line.removeprefix("\ufeff") if number == 1 else line


def _raw_lines(source: TextSource, meter: Meter) -> Iterator[bytes]:
    waiting = b""
    for chunk in read_bytes(source, meter):
        *lines, waiting = (waiting + chunk).split(b"\n")
        yield from lines
    if waiting:
        yield waiting


def _two_files(
    files: tuple[TextSource, TextSource], progress: Progress | None
) -> Iterator[tuple[str, str]]:
    meter = Meter(progress, files, "reading")
    missing = object()
    both = zip_longest(*(read_lines(file, meter) for file in files), fillvalue=missing)
    number = 0
    for number, (source, target) in enumerate(both, start=1):
        if source is missing or target is missing:
            longer, shorter = files if target is missing else files[::-1]
            raise DataError(
                f"{longer.name}, line {number} has no counterpart: {shorter.name} has only "
                f"{number - 1} lines; line n of one must translate line n of the other"
            )
        yield str(source), str(target)


def _table_rows(table: TextSource, progress: Progress | None) -> Iterator[tuple[str, str]]:
    row_of = _row_of(table)
    for number, line in enumerate(read_lines(table, Meter(progress, [table], "reading")), start=1):
        yield row_of(line, f"{table.name}, line {number}") if line.strip() else ("", "")


def _row_of(table: TextSource) -> Callable[[str, str], tuple[str, str]]:
    suffix = Path(table.path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in _TABLES:
        raise DataError(
            f"{table.name} must be a table of pairs, {' or '.join(_TABLES)} (or these with .gz); "
            "or give two files, --source and --target"
        )
    return _columns if suffix == ".tsv" else _fields


def _columns(line: str, place: str) -> tuple[str, str]:
    columns = line.split("\t")
    if len(columns) < 2:
        raise DataError(f"{place} has no tab: it must be a source, a tab and a target")
    return columns[0], columns[1]


def _fields(line: str, place: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place} is no JSON: {error}") from None
    texts = (row.get("source"), row.get("target")) if isinstance(row, dict) else (None, None)
    if not (isinstance(texts[0], str) and isinstance(texts[1], str)):
        raise DataError(f'{place} must be an object with the texts "source" and "target"')
    return " ".join(texts[0].split("\n")), " ".join(texts[1].split("\n"))


def _collect(rows: Iterator[tuple[str, str]], names: tuple[str, str]) -> Pairs:
    name = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}"
    pairs = Pairs([], [], [], name, blank=0)
    blank = 0
    for number, row in enumerate(rows, start=1):
        source, target = row[0].strip(), row[1].strip()
        if source and target:
            pairs.sources.append(source)
            pairs.targets.append(target)
            pairs.lines.append(number)
        elif source or target:
            _refuse_half(names, number, missing="target" if source else "source")
        else:
            blank += 1
    if not pairs.lines:
        raise DataError(f"{name} holds no pair of sentences")
    return Pairs(pairs.sources, pairs.targets, pairs.lines, name, blank)


def _refuse_half(names: tuple[str, str], number: int, *, missing: str) -> None:
    side = names[0] if missing == "source" else names[1]
    other = names[1] if missing == "source" else names[0]
    what = f"has an empty {missing}" if side == other else "is empty"
    counterpart = "its counterpart" if side == other else f"its counterpart in {other}"
    raise DataError(
        f"{side}, line {number} {what}, but {counterpart} is not: fill it in, or take both away"
    )


def _found(path: str | Path) -> TextSource:
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"there is no file {path} (looked in {Path.cwd()})")
    if file.stat().st_size == 0:
        raise DataError(f"{path} is empty: it holds no sentence")
    return TextSource(str(path), file)
