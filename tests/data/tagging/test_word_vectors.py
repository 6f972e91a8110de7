"""Pretrained vectors in text form: which words are taken, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.tagging.word_vectors import WordVectors, read_word_vectors
from ostinato.errors import DataError

GLOVE = "the 0.1 0.2 0.3\nThe 9 9 9\n. . . 1 2 3\ncat -1 0 1e-2\ndog 4 5 6\nemu 7 8 9\n"


def read(path: Path, wanted: set[str], others: int = 0) -> WordVectors:
    return read_word_vectors(path, normalise=str.lower, wanted=wanted, others=others)


def test_wanted_words_and_the_first_others_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text(GLOVE)
    found = read(path, {"the", "dog"}, others=1)
    assert found.words == ["the", ". . .", "dog"]
    np.testing.assert_allclose(found.vectors[0], [0.1, 0.2, 0.3], rtol=1e-6)


def test_of_two_that_are_looked_up_alike_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("The 1 2\nthe 3 4\n")
    assert read(path, {"the"}).vectors.tolist() == [[1, 2]]


def test_the_first_line_of_word2vec_and_gzip_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "v.vec.gz"
    path.write_bytes(gzip.compress(b"2 3\ncat 1 2 3 \ndog 4 5 6 \n"))
    assert read(path, {"dog"}).vectors.tolist() == [[4, 5, 6]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 1 2\ndog 1\n", "v.txt, line 2 has 1 numbers, and the first line has 2"),
        ("cat 1 2\ndog x y\n", "line 2 must be a word and 2 numbers"),
        ("cat 1 nan\n", "line 1 holds a number that is not finite"),
        ("cat\n", "line 1 must be a word and its numbers"),
        ("emu 1 2\n", "holds no vector of a word"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read(path, {"cat", "dog"})
