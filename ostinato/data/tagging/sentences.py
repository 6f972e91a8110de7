"""Sentences as tokens with a label each, and where they were found."""

from collections.abc import Iterable
from typing import NamedTuple

from ostinato.errors import DataError


class Sentence(NamedTuple):
    """One sentence of a file.

    Attributes:
        tokens: its words and punctuation marks, at least one.
        labels: one a token; empty where the file was read for its tokens alone.
        line: where its first token stands, from 1.
        lines: of each token, the line it stands on.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    lines: tuple[int, ...]

    @property
    def line(self) -> int:
        """Where its first token stands, from 1."""
        return self.lines[0]


class TaggedText(NamedTuple):
    """The sentences of one file, or of a part of it.

    Attributes:
        sentences: at least one.
        name: the file, for messages.
    """

    sentences: list[Sentence]
    name: str

    @property
    def token_count(self) -> int:
        """Tokens of all sentences."""
        return sum(len(sentence.tokens) for sentence in self.sentences)


def collect(sentences: Iterable[Sentence], name: str) -> TaggedText:
    """All sentences of a file.

    Raises:
        DataError: there is none.
    """
    text = TaggedText(list(sentences), name)
    if not text.sentences:
        raise DataError(f"{name} holds no sentence: every line of it is empty or a comment")
    return text
