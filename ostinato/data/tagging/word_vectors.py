"""Pretrained vectors of words in text form: a line a word, then its numbers (GloVe, word2vec)."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.tagging.reading import find_file
from ostinato.data.text_lines import read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.errors import DataError


class WordVectors(NamedTuple):
    """Some words of a file and their vectors.

    Attributes:
        words: as they are looked up; of two that are looked up alike, the first of the file.
        vectors: (words, size).
    """

    words: list[str]
    vectors: NDArray[np.float32]


def read_word_vectors(
    path: Path,
    *,
    normalise: Callable[[str], str],
    wanted: Collection[str],
    others: int,
    progress: Progress | None = None,
) -> WordVectors:
    """The vectors of the words wanted, and of the first others of the file.

    Such files have their most frequent words first, so that `others` brings the words that a text
    not seen in training is likeliest to hold.

    Args:
        path: plain or gzip, UTF-8; a first line of two numbers, as word2vec writes it, is read
            over. A word may hold spaces.
        normalise: from a word of the file to the word that is looked up.
        wanted: words as they are looked up.
        others: how many words that are not wanted are taken, too.
        progress: called with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: no such file, or a line that is no word with numbers, as many as on the first;
            names file and line.
    """
    source = find_file(path, "vector of a word")
    lines = read_lines(source, Meter(progress, [source], "reading vectors"))
    words: dict[str, NDArray[np.float32]] = {}
    left, size = others, 0
    for place, line in _rows(lines, source.name):
        size = size or _size_of(line, place)
        spelled, *numbers = line.rsplit(" ", size)
        word = normalise(spelled)
        if word in words or (word not in wanted and left == 0):
            continue
        words[word] = _vector(numbers, size, place)
        left -= word not in wanted
    if not words:
        raise DataError(f"{path} holds no vector of a word")
    return WordVectors(list(words), np.stack(list(words.values())))


def _rows(lines: Iterator[str], name: str) -> Iterator[tuple[str, str]]:
    """Lines with their place; without a first line of two numbers, and without empty ones."""
    for number, line in enumerate(lines, start=1):
        line = line.rstrip()
        header = number == 1 and len(line.split()) == 2 and line.replace(" ", "").isdecimal()
        if line and not header:
            yield f"{name}, line {number}", line.replace("\t", " ")


def _size_of(line: str, place: str) -> int:
    """How many numbers end the first line: all but the first field."""
    size = len(line.split(" ")) - 1
    if size < 1:
        raise DataError(f"{place} must be a word and its numbers with spaces between, got {line!r}")
    return size


def _vector(numbers: list[str], size: int, place: str) -> NDArray[np.float32]:
    if len(numbers) != size:
        raise DataError(f"{place} has {len(numbers)} numbers, and the first line has {size}")
    try:
        vector = np.array(numbers, np.float32)
    except ValueError:
        raise DataError(
            f"{place} must be a word and {size} numbers with spaces between, got "
            f"{' '.join(numbers)[:60]!r}"
        ) from None
    if not np.isfinite(vector).all():
        raise DataError(f"{place} holds a number that is not finite")
    return vector
