"""An epoch of batches of pairs, each with about the same number of tokens and little padding."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ostinato.data.pair_part import PairPart
from ostinato.data.pair_window import PairWindow
from ostinato.data.sorted_pools import BY_LENGTH, Order, PooledBatches, lines_in_words
from ostinato.errors import SettingsError


class BatchLimits(NamedTuple):
    """How large a batch may be.

    Attributes:
        tokens: of either side, padding and the target's end included; a pair that is longer alone
            is a batch by itself.
        pairs: at most.
    """

    tokens: int
    pairs: int


class PairBatches(PooledBatches[PairWindow]):
    """The batches of pairs of one epoch, each with about the same number of tokens.

    Args:
        part: the pairs.
        limits: of a batch, over all processes.
        order: which epoch, and which part of it this process reads.

    Raises:
        SettingsError: limits that cannot be.
    """

    def __init__(self, part: PairPart, limits: BatchLimits, *, order: Order = BY_LENGTH) -> None:
        if limits.tokens < 1 or limits.pairs < 1:
            raise SettingsError(
                f"a batch needs at least 1 token and 1 pair, not {limits.tokens} and {limits.pairs}"
            )
        lengths = np.stack([part.source.lengths, part.target.lengths + 1], 1)
        super().__init__(lengths, limits.tokens, limits.pairs, order)
        self.part = part

    def window(self, rows: NDArray[np.int64]) -> PairWindow:
        """As `join_pairs` makes it from lists, but without a loop over the pairs."""
        part = self.part
        source, _ = part.source.padded(rows)
        target, real = part.target.padded(rows)
        lengths, boundary = part.target.lengths[rows], part.codec.target.boundary_index
        targets = np.pad(target, ((0, 0), (0, 1)))
        targets[np.arange(len(rows)), lengths] = boundary
        return PairWindow(
            inputs=torch.from_numpy(source),
            source_lengths=torch.from_numpy(part.source.lengths[rows]),
            target_in=torch.from_numpy(np.pad(target, ((0, 0), (1, 0)), constant_values=boundary)),
            targets=torch.from_numpy(targets),
            target_lengths=torch.from_numpy(lengths + 1),
            counted=torch.from_numpy(np.pad(real, ((0, 0), (1, 0)), constant_values=True)),
            copied=None if part.copied is None else torch.from_numpy(part.copied.padded(rows)[0]),
            where=f"{part.name}, {lines_in_words(part.lines[rows])}",
            units=int(lengths.sum()) + len(rows),
        )
