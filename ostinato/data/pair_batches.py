"""An epoch of batches of pairs, each with about the same number of tokens and little padding."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ostinato.data.pair_part import PairPart
from ostinato.data.pair_window import PairWindow
from ostinato.data.sorted_pools import lines_in_words, pooled_batches
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


class PairBatches(Dataset[PairWindow]):
    """The batches of one epoch: every pair once, in an order that (seed, epoch) alone decides.

    Pairs in random order are cut into pools, a pool is sorted by length and cut into batches, and
    the batches of all pools are shuffled. With several processes, each reads its own rows of the
    same batch, so the order of the data does not depend on their number; one for which a batch has
    no row reads the first, uncounted.

    Args:
        part: the pairs.
        limits: of a batch, over all processes.
        seed, epoch: decide the order. No seed: sorted by length, for evaluation.
        rank: this process, from 0.
        world_size: number of processes.

    Raises:
        SettingsError: limits that cannot be.
    """

    def __init__(
        self,
        part: PairPart,
        limits: BatchLimits,
        *,
        seed: int | None = None,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if limits.tokens < 1 or limits.pairs < 1:
            raise SettingsError(
                f"a batch needs at least 1 token and 1 pair, not {limits.tokens} and {limits.pairs}"
            )
        self.part = part
        self.rank = rank
        self.world_size = world_size
        self.lengths = np.stack([part.source.lengths, part.target.lengths + 1], 1)
        generator = None if seed is None else np.random.default_rng([seed, epoch])
        self.batches = pooled_batches(self.lengths, limits.tokens, limits.pairs, generator)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> PairWindow:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of an epoch of {len(self)}")
        batch, part = self.batches[index], self.part
        mine = batch[self.rank :: self.world_size]
        rows = mine if len(mine) else batch[:1]
        window = _window(part, rows)
        if len(mine):
            return window
        return window._replace(counted=window.counted & False, units=0)

    @property
    def padding_share(self) -> float:
        """The share of all positions, of both sides, that are padding."""
        positions = sum(len(batch) * self.lengths[batch].max(0).sum() for batch in self.batches)
        return 1 - float(self.lengths.sum() / positions)


def _window(part: PairPart, rows: NDArray[np.int64]) -> PairWindow:
    """As `join_pairs` makes it from lists, but without a loop over the pairs."""
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
