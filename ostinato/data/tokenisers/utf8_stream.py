"""Text from bytes that come token by token: a character shows when its last byte has come."""

import codecs
from collections.abc import Sequence
from typing import final


@final
class Utf8StreamDecoder:
    """Decodes tokens that are bytes of UTF-8; broken sequences become U+FFFD.

    Args:
        bytes_of_index: The bytes of each token.
    """

    def __init__(self, bytes_of_index: Sequence[bytes]) -> None:
        self._bytes_of_index = bytes_of_index
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, index: int) -> str:
        return self._decoder.decode(self._bytes_of_index[index])

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)
