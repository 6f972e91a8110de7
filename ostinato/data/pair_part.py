"""Parallel text as tokens: the pairs that training, validation or a test reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.copied_tokens import copied_tokens, with_copied
from ostinato.data.line_codec import LineCodec
from ostinato.data.pair_reading import Pairs
from ostinato.data.rows_on_disk import Rows, padded_rows, share_of
from ostinato.errors import DataError


@dataclass(frozen=True)
class PairCodec:
    """How both sides of a pair become tokens; the same codec twice where they share one.

    Attributes:
        source, target: of each side.
        extra_tokens: for a model that copies, words of its own that a source may lend to its
            target, numbered from the target's vocabulary size on; see `copied_tokens`. 0: none.
    """

    source: LineCodec
    target: LineCodec
    extra_tokens: int = 0


@dataclass(frozen=True)
class PairPart:
    """Pairs of sentences as tokens, without start and end.

    Attributes:
        source, target: of all pairs, one after the other.
        copied: what each position of the sources is among the target's tokens, where those are
            more than its vocabulary (`PairCodec.extra_tokens`); None where they are not.
        lines: the line of each pair in its file.
        name: the file, or both, for messages.
        blank: lines left out because both sides were empty.
        too_long: pairs left out because one side had more tokens than it may.
        unknown_share: the share of the targets' tokens that the tokeniser does not know and that
            cannot be copied.
        codec: how they became tokens.
    """

    source: "RaggedTokens"
    target: "RaggedTokens"
    copied: "RaggedTokens | None"
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
        tokens: all, one sentence after the other; on disk where they are many.
        starts: where each begins.
        lengths: how many tokens each has.
    """

    tokens: Rows
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __getitem__(self, number: int) -> list[int]:
        start = self.starts[number]
        return self.tokens[start : start + self.lengths[number]].tolist()

    def some(self, numbers: NDArray[np.int64]) -> "RaggedTokens":
        """These sentences alone."""
        return RaggedTokens(self.tokens, self.starts[numbers], self.lengths[numbers])

    def padded(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """These sentences as (batch, time), 0 behind each; and where they are real."""
        tokens, real = padded_rows(self.tokens, self.starts[numbers], self.lengths[numbers])
        return tokens.astype(np.int64), real


def encode_pairs(pairs: Pairs, codec: PairCodec, longest: int | None) -> PairPart:
    """The pairs as tokens.

    Args:
        pairs: as read.
        codec: of both sides.
        longest: pairs with more tokens than this on either side are left out. None: none are.

    Raises:
        DataError: no pair is left.
    """
    source, copied = _ragged(*codec.source.encode(pairs.sources)), None
    if codec.extra_tokens:
        lent = copied_tokens(codec.target, pairs.sources, codec.extra_tokens)
        copied = RaggedTokens(lent.tokens, source.starts, source.lengths)
        target = _ragged(*with_copied(codec.target, pairs.targets, lent.words))
    else:
        target = _ragged(*codec.target.encode(pairs.targets))
    lengths = np.maximum(source.lengths, target.lengths)
    kept = np.flatnonzero(lengths <= (lengths.max() if longest is None else longest))
    if len(kept) == 0:
        raise DataError(
            f"{pairs.name} has no pair of at most {longest} tokens a side (its shortest has "
            f"{lengths.min()}): raise the limit"
        )
    return PairPart(
        source.some(kept),
        target.some(kept),
        None if copied is None else copied.some(kept),
        np.array(pairs.lines)[kept],
        pairs.name,
        pairs.blank,
        too_long=len(lengths) - len(kept),
        unknown_share=_unknown_share(target.tokens, codec.target),
        codec=codec,
    )


def _ragged(tokens: NDArray[Any], lengths: NDArray[np.int64]) -> RaggedTokens:
    return RaggedTokens(tokens, np.cumsum(lengths) - lengths, lengths)


def _unknown_share(tokens: Rows, codec: LineCodec) -> float:
    unknown = codec.tokeniser.unknown_index
    return 0.0 if unknown is None else share_of(tokens, unknown)
