"""One token for each character (Unicode code point)."""

from collections.abc import Iterable, Sequence
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.tokenisers.tokeniser import Tokeniser

_END, _UNKNOWN, _SPECIAL = 0, 1, 2
_CODE_POINTS = 0x110000


@final
class CharacterTokeniser(Tokeniser):
    """Characters in the order of their code points, after `end` (0) and `unknown` (1).

    Args:
        characters: The vocabulary, each character once.

    Example:
        >>> tokeniser = CharacterTokeniser("abc")
        >>> tokeniser.encode("cab?")
        [4, 2, 3, 1]
    """

    kind = "characters"
    cuts_anywhere = True

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = sorted(set(characters))
        codes = np.array([ord(character) for character in self.characters], dtype=np.int64)
        # One entry beyond the last character stands for every code point above it.
        self._index_of_code = np.full(max(codes, default=0) + 2, _UNKNOWN, dtype=self.dtype)
        self._index_of_code[codes] = np.arange(len(codes)) + _SPECIAL
        self._text_of_index = ["", "\ufffd", *self.characters]

    @property
    def vocabulary_size(self) -> int:
        return len(self.characters) + _SPECIAL

    @property
    def end_index(self) -> int:
        return _END

    @property
    def unknown_index(self) -> int:
        return _UNKNOWN

    def encode_array(self, text: str) -> NDArray[Any]:
        return self._index_of_code[np.minimum(code_points(text), len(self._index_of_code) - 1)]

    def encode_documents(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return self.encode_array("".join(texts)), np.array([len(text) for text in texts])

    def decode(self, indices: Iterable[int]) -> str:
        return "".join([self._text_of_index[index] for index in indices])

    def stream_decoder(self) -> "CharacterStreamDecoder":
        return CharacterStreamDecoder(self)

    def to_json(self) -> dict[str, Any]:
        return {"characters": "".join(self.characters)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls(content["characters"])


@final
class CharacterStreamDecoder:
    """Every token is text of its own: nothing waits."""

    def __init__(self, tokeniser: CharacterTokeniser) -> None:
        self._tokeniser = tokeniser

    def feed(self, index: int) -> str:
        return self._tokeniser.decode([index])

    def finish(self) -> str:
        return ""


def learn_characters(
    batches: Iterable[Sequence[str]], vocabulary_size: int | None, minimum_count: int
) -> CharacterTokeniser:
    """The vocabulary of a text: the characters seen at least `minimum_count` times.

    Args:
        batches: The training text in batches of pieces.
        vocabulary_size: At most this many indices, the two special ones included: the most frequent
            characters stay, of equals the one with the lower code point. None = no limit.
        minimum_count: Rarer characters become unknown.
    """
    counts = np.zeros(_CODE_POINTS, dtype=np.int64)
    for batch in batches:
        seen = np.bincount(code_points("".join(batch)))
        counts[: len(seen)] += seen
    codes = np.flatnonzero(counts >= max(minimum_count, 1))
    if vocabulary_size is not None:
        room = max(vocabulary_size - _SPECIAL, 0)
        codes = codes[np.argsort(-counts[codes], kind="stable")[:room]]
    return CharacterTokeniser(chr(code) for code in codes)


def code_points(text: str) -> NDArray[np.uint32]:
    """The code point of each character (time,), also of a lone surrogate in a bad argument."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
