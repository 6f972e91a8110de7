"""One token for each byte of UTF-8: no vocabulary to learn, nothing unknown."""

from collections.abc import Iterable, Sequence
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.tokenisers.tokeniser import Tokeniser
from ostinato.data.tokenisers.utf8_stream import Utf8StreamDecoder

_END = 256
_BYTES = [bytes([value]) for value in range(256)] + [b""]


@final
class ByteTokeniser(Tokeniser):
    """Indices 0 to 255 are the bytes, 256 is `end`.

    Bytes that are no UTF-8 decode to U+FFFD.

    Example:
        >>> ByteTokeniser().encode("é")
        [195, 169]
    """

    kind = "bytes"
    cuts_anywhere = True

    @property
    def vocabulary_size(self) -> int:
        return _END + 1

    @property
    def end_index(self) -> int:
        return _END

    @property
    def unknown_index(self) -> None:
        return None

    def encode_array(self, text: str) -> NDArray[Any]:
        # Bytes of a command line's argument that are no UTF-8 arrive as escapes: they are
        # themselves again.
        raw = text.encode("utf-8", "surrogateescape")
        return np.frombuffer(raw, dtype=np.uint8).astype(self.dtype)

    def encode_documents(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return self.encode_array("".join(texts)), np.array([len(text.encode()) for text in texts])

    def decode(self, indices: Iterable[int]) -> str:
        return b"".join([_BYTES[index] for index in indices]).decode("utf-8", "replace")

    def stream_decoder(self) -> Utf8StreamDecoder:
        return Utf8StreamDecoder(_BYTES)

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls()
