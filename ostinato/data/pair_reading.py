"""Reads parallel text: two files line by line, or one table of pairs or dialogues."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from ostinato.data.pair_tables import PairLayout, PairTable, Row
from ostinato.data.text_lines import read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError


@dataclass(frozen=True)
class Pairs:
    """Sentences and their counterparts, as text.

    Attributes:
        sources, targets: as many of each; none is empty.
        lines: the line of each pair in its file, from 1; a dialogue's pairs have the same.
        name: the file, or both, for messages.
        blank: lines without a pair, left out: empty on both sides, or dialogues without an answer.
        history: of dialogues, the turns before the one that is answered, which stand before it in
            its source; None: these are no dialogues.
    """

    sources: list[str]
    targets: list[str]
    lines: list[int]
    name: str
    blank: int
    history: int | None = None


def read_pairs(
    source: str | Path,
    target: str | Path | None = None,
    *,
    layout: PairLayout | None = None,
    progress: Progress | None = None,
) -> Pairs:
    """Parallel text, plain or gzip, in UTF-8. Sides lose the white space around them.

    Args:
        source: a file with a sentence a line; or a table, where there is no `target`: a .tsv, a
            .jsonl of objects with two texts, or a .jsonl of dialogues, objects with "turns" (see
            `ostinato.data.dialogues.read_turns`). Either may be packed (.gz).
        target: a file whose line n is the counterpart of the source's line n.
        layout: where a table has its pairs. None: see `PairLayout`.
        progress: called with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: a file that cannot be read or is no such table, files of different lengths, text
            that is no UTF-8, a pair of which one side is empty; names file and line.
    """
    if target is None:
        table = PairTable(_found(source), layout or PairLayout())
        name = table.source.name
        pairs = _collect(table.rows(progress), (name, name), table.what)
        return replace(pairs, history=table.history)
    files = _found(source), _found(target)
    return _collect(
        _two_files(files, progress), (files[0].name, files[1].name), "pair of sentences"
    )


def read_sources(file: str | Path, layout: PairLayout) -> Iterator[str]:
    """The sources of a table alone, one after the other; targets need not be there.

    Raises:
        DataError: a file that cannot be read or is no such table; names file and line.
    """
    return PairTable(_found(file), layout).sources()


def _two_files(files: tuple[TextSource, TextSource], progress: Progress | None) -> Iterator[Row]:
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
        yield Row(number, str(source), str(target))


def _collect(rows: Iterable[Row], names: tuple[str, str], what: str) -> Pairs:
    name = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}"
    sources, targets, lines, blank = [], [], [], 0
    for row in rows:
        source, target = row.source.strip(), row.target.strip()
        if source and target:
            sources.append(source)
            targets.append(target)
            lines.append(row.line)
        elif source or target:
            _refuse_half(names, row.line, missing="target" if source else "source")
        else:
            blank += 1
    if not lines:
        raise DataError(f"{name} holds no {what}")
    return Pairs(sources, targets, lines, name, blank)


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
