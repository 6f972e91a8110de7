"""Lines to tokens and back, by any tokeniser."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.tokenisers import Tokeniser, TokeniserSettings

_LINES_AT_ONCE = 4096


@dataclass(frozen=True)
class LineCodec:
    """Encodes whole lines so that a word is the same tokens wherever it stands.

    A BPE counts the space before a word as part of it, so that the first word of a line would be
    another than the same word within: lines get a space before them, which decoding takes away.
    The boundary token of the tokeniser serves as start, end and padding of a line.

    Args:
        tokeniser: of one language, or of both.
    """

    tokeniser: Tokeniser

    @property
    def vocabulary_size(self) -> int:
        """Tokens to tell apart."""
        return self.tokeniser.vocabulary_size

    @property
    def boundary_index(self) -> int:
        """The token that begins and ends a line, and fills up shorter ones."""
        return self.tokeniser.end_index

    def encode(self, lines: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The tokens of all lines one after the other, and how many belong to each."""
        flat, counts = zip(*self.encode_some(lines), strict=True)
        return np.concatenate(flat), np.concatenate(counts)

    def encode_some(self, lines: Iterable[str]) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """As `encode`, for some thousand lines at a time."""
        for batch in _batches(lines):
            tokens, lengths = self.tokeniser.encode_documents(_begun(batch, self.tokeniser.kind))
            yield tokens, lengths.astype(np.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        """The line of these tokens."""
        text = self.tokeniser.decode(tokens)
        return text.removeprefix(" ") if self.tokeniser.kind == "bpe" else text

    def cut(self, line: str) -> list[str]:
        """The text of each token of a line, where a token is a word or a character."""
        return line.split() if self.tokeniser.kind == "words" else list(line)

    def join(self, pieces: Sequence[str]) -> str:
        """The line of these pieces, as `cut` gives them."""
        return (" " if self.tokeniser.kind == "words" else "").join(pieces)

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """Each token as text, for the axis of a picture."""
        return [self.tokeniser.decode([token]) for token in tokens]


def learn_codec(settings: TokeniserSettings, lines: Iterable[str]) -> LineCodec:
    """The codec of these lines."""
    batches = (_begun(batch, settings.kind) for batch in _batches(lines))
    return LineCodec(settings.learn(batches))


def _batches(lines: Iterable[str]) -> Iterator[Sequence[str]]:
    left = iter(lines)
    while some := list(islice(left, _LINES_AT_ONCE)):
        yield some


def _begun(lines: Sequence[str], kind: str) -> list[str]:
    return [" " + line for line in lines] if kind == "bpe" else list(lines)
