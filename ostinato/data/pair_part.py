"""Parallel text as tokens: the pairs that training, validation or a test reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.line_codec import LineCodec
from ostinato.data.pair_reading import Pairs
from ostinato.errors import DataError


@dataclass(frozen=True)
class PairCodec:
    """How both sides of a pair become tokens; the same codec twice where they share one."""

    source: LineCodec
    target: LineCodec


@dataclass(frozen=True)
class PairPart:
    """Pairs of sentences as tokens, without start and end.

    Attributes:
        source, target: of all pairs, one after the other.
        lines: the line of each pair in its file.
        name: the file, or both, for messages.
        blank: lines left out because both sides were empty.
        too_long: pairs left out because one side had more tokens than it may.
        unknown_share: the share of the targets' tokens that the tokeniser does not know.
        codec: how they became tokens.
    """

    source: "RaggedTokens"
    target: "RaggedTokens"
    lines: NDArray[np.int64]
    name: str
    blank: int
    too_long: int
    unknown_share: float
    codec: PairCodec

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def counted_targets(self) -> int:
        """Targets of the loss in one pass: all tokens, and an end for each sentence."""
        return int(self.target.lengths.sum()) + len(self)


@dataclass(frozen=True)
class RaggedTokens:
    """Sentences of different lengths in one array.

    Attributes:
        tokens: all, one sentence after the other.
        starts: where each begins.
        lengths: how many tokens each has.
    """

    tokens: NDArray[Any]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __getitem__(self, number: int) -> list[int]:
        start = self.starts[number]
        return self.tokens[start : start + self.lengths[number]].tolist()

    def padded(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """These sentences as (batch, time), 0 behind each; and where they are real."""
        lengths = self.lengths[numbers, None]
        places = np.arange(lengths.max())
        real = places < lengths
        tokens = self.tokens[np.where(real, self.starts[numbers, None] + places, 0)]
        return np.where(real, tokens, 0).astype(np.int64), real


def encode_pairs(pairs: Pairs, codec: PairCodec, longest: int | None) -> PairPart:
    """The pairs as tokens.

    Args:
        pairs: as read.
        codec: of both sides.
        longest: pairs with more tokens than this on either side are left out. None: none are.

    Raises:
        DataError: no pair is left.
    """
    source = _ragged(codec.source, pairs.sources)
    target = _ragged(codec.target, pairs.targets)
    lengths = np.maximum(source.lengths, target.lengths)
    kept = np.flatnonzero(lengths <= (lengths.max() if longest is None else longest))
    if len(kept) == 0:
        raise DataError(
            f"{pairs.name} has no pair of at most {longest} tokens a side (its shortest has "
            f"{lengths.min()}): raise the limit"
        )
    return PairPart(
        RaggedTokens(source.tokens, source.starts[kept], source.lengths[kept]),
        RaggedTokens(target.tokens, target.starts[kept], target.lengths[kept]),
        np.array(pairs.lines)[kept],
        pairs.name,
        pairs.blank,
        too_long=len(lengths) - len(kept),
        unknown_share=_unknown_share(target.tokens, codec.target),
        codec=codec,
    )


def _ragged(codec: LineCodec, lines: Sequence[str]) -> RaggedTokens:
    tokens, lengths = codec.encode(lines)
    return RaggedTokens(tokens, np.cumsum(lengths) - lengths, lengths)


def _unknown_share(tokens: NDArray[Any], codec: LineCodec) -> float:
    unknown = codec.tokeniser.unknown_index
    return 0.0 if unknown is None else float(np.mean(tokens == unknown))
