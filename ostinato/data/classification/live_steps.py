"""Steps that come a line each, an empty line behind each sample."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.numbers import parse_numbers
from ostinato.data.classification.reading import STANDARD_INPUT
from ostinato.data.pair_reading import read_lines
from ostinato.data.text_lines import lines_of_stdin
from ostinato.data.text_reading import Meter
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

_BETWEEN = re.compile(r"\s*[,;\t]\s*|\s+")


def lines_of(file: str) -> Iterator[tuple[str, str]]:
    """The lines of a file, or (`-`) of standard input as they come, each with its place.

    Raises:
        DataError: no such file; what is no UTF-8.
    """
    if file == STANDARD_INPUT:
        name, lines = "standard input", lines_of_stdin()
    else:
        path = Path(file).expanduser()
        if not path.is_file():
            raise DataError(f"there is no file {file} (looked in {Path.cwd()})")
        source = TextSource(file, path)
        name, lines = file, read_lines(source, Meter(None, [source], "reading"))
    for number, line in enumerate(lines, start=1):
        yield f"{name}, line {number}", line


def numbers_of(line: str, place: str, features: Sequence[str]) -> NDArray[np.float32]:
    """The numbers of a step: `0.5, 1`, `0.5;1` and `0.5 1` are the same two.

    Args:
        line: one step.
        place: its file and line, for messages.
        features: what the numbers are, by name.

    Raises:
        DataError: more or fewer numbers than features; a cell that is no number.
    """
    cells = _BETWEEN.split(line.strip())
    if len(cells) != len(features):
        raise DataError(
            f"{place} holds {len(cells)} numbers, and a step has {len(features)}: "
            f"{', '.join(features[:8])}{', ...' if len(features) > 8 else ''}"
        )
    return parse_numbers(cells, place, features)
