"""One part of a corpus (train, validation or test) as a memory-mapped file of token indices.

Documents lie one after the other as `end t1 .. tn end t1 .. tm end`: one boundary token opens each
document and one closes the file. Inputs are the tokens but the last, targets the tokens but the
first.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.errors import DataError


@dataclass(frozen=True)
class PartRecord:
    """What is known of a part beside its tokens, as kept in the corpus's JSON.

    Attributes:
        tokens: Tokens in the file, boundaries included.
        documents: How many documents.
        characters: Characters of text that the counted targets spell.
        bytes: The same text in bytes of UTF-8.
        unknown_tokens: How many tokens are the unknown one.
        dtype: Of the file, as numpy names it: uint8, uint16 or uint32.
        end_index: The boundary token.
        counts_ends: Whether a target that is the boundary counts in the loss.
    """

    tokens: int
    documents: int
    characters: int
    bytes: int
    unknown_tokens: int
    dtype: str
    end_index: int
    counts_ends: bool


class TokenPart:
    """The tokens of one part, read where they lie on disk.

    Args:
        name: "train", "validation" or "test".
        folder: Where `<name>.tokens` and `<name>.documents` lie.
        record: What the corpus's JSON says of them.
        source: Names the person's file or files in messages.

    Raises:
        DataError: The files do not have the size that the record says.
    """

    def __init__(self, name: str, folder: Path, record: PartRecord, source: str) -> None:
        self.name = name
        self.folder = folder
        self.record = record
        self.source = source
        self._tokens = _mapped(folder / f"{name}.tokens", record.dtype, record.tokens)
        self._documents = _mapped(folder / f"{name}.documents", "int64", record.documents + 1)

    def __reduce__(self) -> tuple[object, ...]:
        # A pickled memory map is a copy of the whole file: workers open it again instead.
        return TokenPart, (self.name, self.folder, self.record, self.source)

    @property
    def targets(self) -> int:
        """How many targets there are, counted or not: one for each token but the first."""
        return self.record.tokens - 1

    @property
    def counted_targets(self) -> int:
        """How many targets count in the loss."""
        return self.targets - (0 if self.counts_ends else self.record.documents)

    @property
    def end_index(self) -> int:
        return self.record.end_index

    @property
    def counts_ends(self) -> bool:
        return self.record.counts_ends

    @property
    def characters(self) -> int:
        return self.record.characters

    @property
    def bytes(self) -> int:
        return self.record.bytes

    def read(self, start: int, stop: int) -> Tensor:
        """The tokens [start, stop) of the file, boundaries included, as int64 (time,)."""
        return torch.from_numpy(self._tokens[start:stop].astype(np.int64))

    def gather(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tokens at `positions` of the file, an array of any shape."""
        return self._tokens[positions].astype(np.int64)

    def documents(self) -> NDArray[np.int64]:
        """The places (documents + 1,) of the boundary tokens.

        Document i has its inputs at [bounds[i], bounds[i + 1]), its targets one further.
        """
        return self._documents


def _mapped(path: Path, dtype: str, length: int) -> np.memmap:
    wanted = length * np.dtype(dtype).itemsize
    found = path.stat().st_size if path.exists() else None
    if found != wanted:
        raise DataError(
            f"{path} should have {wanted} bytes but "
            + ("is missing" if found is None else f"has {found}")
            + "; remove its folder, and it is made again from the text"
        )
    return np.memmap(path, dtype=np.dtype(dtype).newbyteorder("<"), mode="r", shape=(length,))
