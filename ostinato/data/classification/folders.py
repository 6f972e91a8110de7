"""Samples without a table: a folder of classes, lines, FASTA.

folder    a file a class, named after it: a text a line, or FASTA; or a folder a class, a text a
          file
lines     a text a line, without classes
fasta     symbol strings, each behind a line that begins with `>`, without classes
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.data.text_lines import read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

FASTA = (".fa", ".fasta", ".fna", ".faa")


def read_folder(folder: Path, *, labelled: bool, progress: Progress | None = None) -> SampleStream:
    """Every sample of a folder, classes and files in the order of their names.

    Raises:
        DataError: no file, or fewer than two classes.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not entries:
        raise DataError(f"{folder} is empty: it needs a file or a folder for each class")
    files = [(entry, file) for entry in entries for file in _files(entry)]
    sources = [TextSource(str(file), file) for _, file in files]
    meter = Meter(progress, sources, "reading")

    def samples() -> Iterator[Sample]:
        for (entry, file), source in zip(files, sources, strict=True):
            where = str(file.relative_to(folder))
            lines = read_lines(source, meter)
            label = class_of(entry) if labelled else None
            if entry.is_dir():
                yield Sample("\n".join(lines), label, where)
            else:
                for place, text in texts_of(lines, file):
                    if text:  # lines are separated as people like it
                        yield Sample(text, label, f"{where}, {place}")

    return SampleStream(samples(), str(folder))


def texts_of(lines: Iterable[str], file: Path) -> Iterator[tuple[str, str]]:
    """Each text of a file with its place: a FASTA record, or a line."""
    if Path(file.name.removesuffix(".gz")).suffix.lower() in FASTA:
        yield from _records(lines, file)
        return
    for number, line in enumerate(lines, start=1):
        yield f"line {number}", line.strip()


def class_of(entry: Path) -> str:
    """`Greek` of Greek.txt, and of a folder of this name."""
    return entry.name if entry.is_dir() else Path(entry.name.removesuffix(".gz")).stem


def _files(entry: Path) -> list[Path]:
    if not entry.is_dir():
        return [entry]
    return sorted(path for path in entry.rglob("*") if path.is_file() and path.name[0] != ".")


def _records(lines: Iterable[str], file: Path) -> Iterator[tuple[str, str]]:
    begun, pieces = 0, []
    for number, line in enumerate(lines, start=1):
        if line.startswith(">"):
            if begun:
                yield f"line {begun}", "".join(pieces).upper()
            begun, pieces = number, []
        elif line.strip():
            if not begun:
                raise DataError(f"{file}, line {number}: FASTA begins with a line `>name`")
            pieces.append(line.strip())
    if begun:
        yield f"line {begun}", "".join(pieces).upper()
