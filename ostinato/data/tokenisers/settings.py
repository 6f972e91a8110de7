"""Which tokeniser a corpus gets, as a person chooses it."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ostinato.data.tokenisers.bpe import SMALLEST_VOCABULARY, learn_bpe, require_bpe
from ostinato.data.tokenisers.bytes import ByteTokeniser
from ostinato.data.tokenisers.characters import learn_characters
from ostinato.data.tokenisers.tokeniser import Tokeniser
from ostinato.data.tokenisers.words import learn_words
from ostinato.errors import SettingsError

DEFAULT_BPE_SIZE = 8192


@dataclass(frozen=True)
class TokeniserSettings:
    """A tokeniser to be learnt from the training text.

    Args:
        kind: What a token is: a character, a byte, a word between white space, or a frequent piece
            of a word (bpe).
        vocabulary_size: At most this many indices, special ones included. None = all there are; for
            bpe 8192.
        minimum_count: What is seen less often in the training text is unknown (for bpe: not
            joined).

    Raises:
        SettingsError: A size or count that cannot be, or that bytes do not have.
    """

    kind: Literal["characters", "bytes", "words", "bpe"] = "characters"
    vocabulary_size: int | None = None
    minimum_count: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("characters", "bytes", "words", "bpe"):
            raise SettingsError(f"tokens are characters, bytes, words or bpe, not {self.kind!r}")
        if self.minimum_count < 1:
            raise SettingsError(f"minimum_count must be at least 1, not {self.minimum_count}")
        if self.kind == "bytes" and (self.vocabulary_size is not None or self.minimum_count > 1):
            raise SettingsError(
                "bytes always have 257 tokens: leave vocabulary_size and minimum_count out"
            )
        smallest = SMALLEST_VOCABULARY if self.kind == "bpe" else 4
        if self.vocabulary_size is not None and self.vocabulary_size < smallest:
            raise SettingsError(
                f"vocabulary_size for {self.kind} must be at least {smallest}, "
                f"not {self.vocabulary_size}"
            )
        if self.kind == "bpe":
            require_bpe()

    def learn(self, batches: Iterable[Sequence[str]]) -> Tokeniser:
        """The tokeniser for training text that comes in batches of pieces, not cut within words."""
        if self.kind == "characters":
            return learn_characters(batches, self.vocabulary_size, self.minimum_count)
        if self.kind == "words":
            return learn_words(batches, self.vocabulary_size, self.minimum_count)
        if self.kind == "bpe":
            size = self.vocabulary_size or DEFAULT_BPE_SIZE
            return learn_bpe(batches, size, self.minimum_count)
        return ByteTokeniser()

    @property
    def cuts_anywhere(self) -> bool:
        """Whether text may be cut within words."""
        return self.kind in ("characters", "bytes")

    def identity(self) -> str:
        """The same for the same settings."""
        return f"{self.kind} {self.vocabulary_size} {self.minimum_count}"


def tokeniser_identity(tokeniser: TokeniserSettings | Tokeniser) -> str:
    """Tells apart tokenisers to be learnt, and ones that are given, from any other."""
    if isinstance(tokeniser, TokeniserSettings):
        return tokeniser.identity()
    return hashlib.sha256(tokeniser.serialised().encode()).hexdigest()
