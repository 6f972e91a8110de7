"""Finds a person's text: files, folders, globs and standard input, in a fixed order."""

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ostinato.errors import DataError

STANDARD_INPUT = "-"

TextPaths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class TextSource:
    """One text on disk, plain or gzip.

    Attributes:
        name: As the person knows it, for messages.
        path: Where it is read; for standard input, where it was kept.
    """

    name: str
    path: Path


def find_sources(data: TextPaths, spool: Path) -> list[TextSource]:
    """Every text that `data` names, each once, in the order named, sorted in folders and globs.

    Args:
        data: A file, a folder (all its files, those of its folders too, hidden and empty ones
            left out), a glob, "-" for standard input, or several of these.
        spool: An existing folder in which standard input is kept while it is needed.

    Raises:
        DataError: A path that does not exist, a glob or a folder without files, an empty file.
    """
    named = [data] if isinstance(data, str | Path) else list(data)
    if not named:
        raise DataError("no text was given: name a file, a folder, a glob, or - for standard input")
    found: dict[Path, TextSource] = {}
    for path in named:
        for source in _sources_of(str(path), spool):
            found.setdefault(source.path.resolve(), source)
    return list(found.values())


def _sources_of(named: str, spool: Path) -> list[TextSource]:
    if named == STANDARD_INPUT:
        return [_keep_stream("standard input", sys.stdin.fileno(), spool)]
    path = Path(named).expanduser()
    if path.is_dir():
        return _non_empty(named, sorted(_files_within(path)))
    if path.is_file():
        return [_single_file(path)]
    if path.exists():  # a pipe, as the shell's <(command) gives
        with path.open("rb") as stream:
            return [_keep_stream(named, stream.fileno(), spool)]
    if glob.has_magic(named):
        matches = map(Path, glob.glob(os.path.expanduser(named), recursive=True))
        return _non_empty(named, sorted(match for match in matches if match.is_file()))
    raise DataError(f"no file or folder {named!r} (looked in {Path.cwd()})")


def _single_file(path: Path) -> TextSource:
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: there is no text to read")
    return TextSource(str(path), path)


def _files_within(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(_hidden(part) for part in path.relative_to(folder).parts)
    ]


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _non_empty(named: str, paths: Sequence[Path]) -> list[TextSource]:
    """Empty files among others hold nothing to learn from; nothing but empty ones is a mistake."""
    if not paths:
        raise DataError(f"no files in {named!r} (looked in {Path.cwd()})")
    sources = [TextSource(str(path), path) for path in paths if path.stat().st_size > 0]
    if not sources:
        raise DataError(f"every file in {named!r} is empty: there is no text to read")
    return sources


def _keep_stream(name: str, descriptor: int, spool: Path) -> TextSource:
    """A stream can be read once, and the text is needed several times."""
    with (
        os.fdopen(os.dup(descriptor), "rb") as stream,
        tempfile.NamedTemporaryFile(dir=spool, suffix=".txt", delete=False) as kept,
    ):
        shutil.copyfileobj(stream, kept, 1 << 20)
        size = kept.tell()
    if size == 0:
        raise DataError(f"{name} is empty: there is no text to read")
    return TextSource(name, Path(kept.name))
