"""One token for each word between white space, and one for the end of each line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.tokenisers.tokeniser import Tokeniser

_END, _UNKNOWN, _NEWLINE, _SPECIAL = 0, 1, 2, 3
UNKNOWN_WORD = "<unk>"
# Beyond this many different words the words seen once are forgotten, so that memory stays bounded.
_COUNTED_WORDS = 1_000_000


@final
class WordTokeniser(Tokeniser):
    """Words in the order given, after `end` (0), `unknown` (1) and the end of a line (2).

    The end of a line is a token that counts, the `<eos>` of published word-level results; a text's
    word `<unk>`, as in the prepared Penn Treebank, is the unknown word. Decoding gives one space
    between words: text whose words are known and whose lines have single spaces and none around
    them comes back as it was.

    Args:
        words: The vocabulary, each word once, without white space.

    Example:
        >>> tokeniser = WordTokeniser(["a", "b"])
        >>> tokeniser.encode("a b\\nc\\n")
        [3, 4, 2, 1, 2]
        >>> tokeniser.decode([3, 4, 2, 1, 2])
        'a b\\n<unk>\\n'
    """

    kind = "words"
    cuts_anywhere = False

    def __init__(self, words: Iterable[str]) -> None:
        self.words = list(words)
        self._index_of_word = _IndexOfWord(
            {word: index for index, word in enumerate(self.words, start=_SPECIAL)}
        )
        self._text_of_index = ["", UNKNOWN_WORD, "\n", *self.words]

    @property
    def vocabulary_size(self) -> int:
        return len(self.words) + _SPECIAL

    @property
    def end_index(self) -> int:
        return _END

    @property
    def unknown_index(self) -> int:
        return _UNKNOWN

    def encode(self, text: str) -> list[int]:
        index_of_word = self._index_of_word.__getitem__
        indices: list[int] = []
        for line in text.split("\n"):
            indices.extend(map(index_of_word, line.split()))
            indices.append(_NEWLINE)
        indices.pop()  # what follows the last newline is no whole line
        return indices

    def encode_array(self, text: str) -> NDArray[Any]:
        return np.array(self.encode(text), dtype=self.dtype)

    def encode_documents(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        encoded = [self.encode(text) for text in texts]
        indices = np.fromiter(chain.from_iterable(encoded), dtype=self.dtype)
        return indices, np.array([len(document) for document in encoded])

    def decode(self, indices: Iterable[int]) -> str:
        decoder = self.stream_decoder()
        return "".join([decoder.feed(index) for index in indices])

    def stream_decoder(self) -> "WordStreamDecoder":
        return WordStreamDecoder(self._text_of_index)

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls(content["words"])


@final
class WordStreamDecoder:
    """Sets a space before every word that does not begin its line."""

    def __init__(self, text_of_index: list[str]) -> None:
        self._text_of_index = text_of_index
        self._line_begins = True

    def feed(self, index: int) -> str:
        if index == _END:
            return ""
        separator = "" if self._line_begins or index == _NEWLINE else " "
        self._line_begins = index == _NEWLINE
        return separator + self._text_of_index[index]

    def finish(self) -> str:
        return ""


def learn_words(
    batches: Iterable[Sequence[str]], vocabulary_size: int | None, minimum_count: int
) -> WordTokeniser:
    """The words of a text that are seen at least `minimum_count` times, most frequent first.

    While a text holds more than a million different words, those seen once are forgotten whenever
    the table is full: counts of very rare words in very large texts are a lower bound.

    Args:
        batches: The training text in batches of pieces, not cut within words.
        vocabulary_size: At most this many indices, the three special ones included; of equally
            frequent words the ones first in the alphabet stay. None = no limit.
        minimum_count: Rarer words become unknown.
    """
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update("\n".join(batch).split())
        if len(counts) > _COUNTED_WORDS:
            counts = Counter({word: count for word, count in counts.items() if count > 1})
    counts.pop(UNKNOWN_WORD, None)
    kept = [word for word, count in counts.items() if count >= minimum_count]
    kept.sort(key=lambda word: (-counts[word], word))
    room = len(kept) if vocabulary_size is None else max(vocabulary_size - _SPECIAL, 0)
    return WordTokeniser(kept[:room])


class _IndexOfWord(dict[str, int]):
    """A dictionary in which every missing word has the unknown index, without being added."""

    def __missing__(self, word: str) -> int:
        return _UNKNOWN
