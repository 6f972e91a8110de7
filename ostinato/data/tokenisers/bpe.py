"""Byte pair encoding over bytes, learnt and applied by the `tokenizers` library."""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from types import ModuleType
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.text_cuts import pieces_of
from ostinato.data.tokenisers.tokeniser import Tokeniser
from ostinato.data.tokenisers.utf8_stream import Utf8StreamDecoder
from ostinato.errors import DataError, missing_extra

SMALLEST_VOCABULARY = 257
# The library keeps several objects a token while it encodes: small pieces bound its memory.
_CHARACTERS_AT_ONCE = 50_000


@final
class BPETokeniser(Tokeniser):
    """Pieces of words, found by joining frequent pairs; any text can be spelt.

    A space belongs to the word after it. The library's indices come first, `end` is the last.

    Args:
        description: The library's own JSON.

    Raises:
        MissingExtraError: The `tokenizers` package is not installed.

    Source: Sennrich, Haddow and Birch 2016, on the bytes of UTF-8 as in Radford et al. 2019.
    """

    kind = "bpe"
    cuts_anywhere = False

    def __init__(self, description: str) -> None:
        self._description = description
        self._library = _library().Tokenizer.from_str(description)
        self._size = self._library.get_vocab_size()
        self._bytes_of_index = _bytes_of_index(self._library.get_vocab())

    @property
    def vocabulary_size(self) -> int:
        return self._size + 1

    @property
    def end_index(self) -> int:
        return self._size

    @property
    def unknown_index(self) -> None:
        return None

    def encode_array(self, text: str) -> NDArray[Any]:
        return self.encode_documents([text])[0]

    def encode_documents(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        pieces = [list(pieces_of(text, _CHARACTERS_AT_ONCE)) for text in texts]
        encodings = iter(self._library.encode_batch_fast(list(chain.from_iterable(pieces))))
        encoded = [
            list(chain.from_iterable(encoding.ids for encoding in islice(encodings, len(parts))))
            for parts in pieces
        ]
        indices = np.fromiter(chain.from_iterable(encoded), dtype=self.dtype)
        return indices, np.array([len(document) for document in encoded])

    def decode(self, indices: Iterable[int]) -> str:
        raw = b"".join([self._bytes_of_index[index] for index in indices])
        return raw.decode("utf-8", "replace")

    def stream_decoder(self) -> Utf8StreamDecoder:
        return Utf8StreamDecoder(self._bytes_of_index)

    def to_json(self) -> dict[str, Any]:
        return {"tokenizers": self._description}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls(content["tokenizers"])


def learn_bpe(
    batches: Iterable[Sequence[str]], vocabulary_size: int, minimum_count: int
) -> BPETokeniser:
    """Learns the pairs to join from a text.

    Args:
        batches: The training text in batches of pieces, not cut within words.
        vocabulary_size: Indices, `end` included; fewer where the text offers no more pairs. At
            least 257.
        minimum_count: A pair must be seen this often to be joined.

    Raises:
        MissingExtraError: The `tokenizers` package is not installed.
    """
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary_size - 1,
        min_frequency=minimum_count,
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(batches, trainer)
    return BPETokeniser(tokenizer.to_str())


def require_bpe() -> None:
    """Fails now, and not after an hour of reading, where the library is missing.

    Raises:
        MissingExtraError: The `tokenizers` package is not installed.
    """
    _library()


def _library() -> ModuleType:
    try:
        import tokenizers
    except ImportError as error:
        raise missing_extra("tokenizers", "text") from error
    return tokenizers


def _bytes_of_index(vocabulary: dict[str, int]) -> list[bytes]:
    """The bytes of each index; the library spells a byte as one printable character."""
    byte_of = _byte_of_character()
    bytes_of_index = [b""] * (len(vocabulary) + 1)
    for token, index in vocabulary.items():
        try:
            bytes_of_index[index] = bytes([byte_of[character] for character in token])
        except (KeyError, IndexError) as error:
            raise DataError(f"token {index} {token!r} of this BPE is not made of bytes") from error
    return bytes_of_index


def _byte_of_character() -> dict[str, int]:
    """Printable Latin-1 is itself, the other bytes are U+0100 and on (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in printable]
    itself = {chr(value): value for value in printable}
    return itself | {chr(0x100 + place): value for place, value in enumerate(others)}
