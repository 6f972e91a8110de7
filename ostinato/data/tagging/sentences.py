"""Sentences as tokens with a label each, and where they were found."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, final

import numpy as np

from ostinato.data.long_lists import Chosen, ReadOnly, Texts
from ostinato.errors import DataError


class Sentence(NamedTuple):
    """One sentence of a file.

    Attributes:
        tokens: its words and punctuation marks, at least one.
        labels: one a token; empty where the file was read for its tokens alone.
        lines: of each token, the line it stands on.
        features: what more columns of the file say, for each of these columns one a token.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    lines: tuple[int, ...]
    features: tuple[tuple[str, ...], ...] = ()

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

    sentences: Sequence[Sentence]
    name: str

    @property
    def token_count(self) -> int:
        """Tokens of all sentences."""
        return sum(len(sentence.tokens) for sentence in self.sentences)

    def some(self, numbers: np.ndarray) -> "TaggedText":
        """These of the sentences."""
        return TaggedText(Chosen(self.sentences, numbers), self.name)


def collect(sentences: Iterable[Sentence], name: str) -> TaggedText:
    """All sentences of a file; where they are many they lie in a file, not in memory.

    Raises:
        DataError: there is none.
    """
    kept = Sentences()
    for sentence in sentences:
        kept.append(sentence)
    if not len(kept):
        raise DataError(f"{name} holds no sentence: every line of it is empty or a comment")
    return TaggedText(kept, name)


@final
class Sentences(ReadOnly[Sentence]):
    """Sentences, in the order in which they were appended; no token or label may hold a line's end.

    Each is kept as lines of a text: how many tokens it has and whether labels, the line of the
    first, how many lines each other stands behind the one before it, and then all its words.
    """

    def __init__(self) -> None:
        self._texts = Texts()

    def append(self, sentence: Sentence) -> None:
        """One more, before any is read."""
        tokens, labels, lines, features = sentence
        steps = "" if _follow(lines) else " ".join(map(str, np.diff(lines).tolist()))
        head = (f"{len(tokens)} {len(labels) > 0:d} {lines[0]}", steps)
        words = (word for column in (tokens, labels, *features) for word in column)
        self._texts.append("\n".join((*head, *words)))

    def __len__(self) -> int:
        return len(self._texts)

    def item(self, number: int) -> Sentence:
        head, steps, *words = self._texts[number].split("\n")
        count, labelled, line = map(int, head.split())
        columns = [tuple(words[start : start + count]) for start in range(0, len(words), count)]
        lines = range(line, line + count)
        if steps:
            lines = np.cumsum([line, *map(int, steps.split())]).tolist()
        labels = columns.pop(1) if labelled else ()
        return Sentence(columns[0], labels, tuple(lines), tuple(columns[1:]))


def _follow(lines: Sequence[int]) -> bool:
    """Whether each line is the one behind that before it."""
    return all(line == lines[0] + place for place, line in enumerate(lines))
