"""An epoch of batches of pairs, each with about the same number of tokens and little padding."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ostinato.data.pair_part import PairPart
from ostinato.data.pair_window import PairWindow
from ostinato.errors import SettingsError

# So many batches' pairs are sorted by length together: more would leave less padding and less
# chance in which pairs meet.
_POOL_BATCHES = 100


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
        self.batches = _shuffled_batches(self.lengths, limits, generator)

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
        copied=None,
        where=f"{part.name}, {_lines(part.lines[rows])}",
        units=int(lengths.sum()) + len(rows),
    )


def _shuffled_batches(
    lengths: NDArray[np.int64], limits: BatchLimits, generator: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    if generator is None:
        return _cut(np.lexsort((lengths[:, 0], lengths[:, 1])), lengths, limits)
    order = generator.permutation(len(lengths))
    pairs_a_batch = max(1, min(limits.pairs, limits.tokens // max(1, round(lengths.mean()))))
    size = _POOL_BATCHES * pairs_a_batch
    batches = []
    for start in range(0, len(order), size):
        pool = order[start : start + size]
        by_length = pool[np.lexsort((lengths[pool, 0], lengths[pool, 1]))]
        batches += _cut(by_length, lengths, limits)
    return [batches[place] for place in generator.permutation(len(batches))]


def _cut(
    order: NDArray[np.int64], lengths: NDArray[np.int64], limits: BatchLimits
) -> list[NDArray[np.int64]]:
    """Pairs in this order as batches, each as large as the limits allow."""
    batches, start, longest = [], 0, 0
    for place, length in enumerate(lengths[order].max(1).tolist()):
        longest = max(longest, length)
        rows = place - start + 1
        if rows > 1 and (rows > limits.pairs or rows * longest > limits.tokens):
            batches.append(order[start:place])
            start, longest = place, length
    return [*batches, order[start:]]


def _lines(lines: NDArray[np.int64]) -> str:
    """The lines that a batch holds, in words: the first few, where it is many."""
    told = ", ".join(str(line) for line in lines[:8])
    return f"lines {told}" + (f" and {len(lines) - 8} more" if len(lines) > 8 else "")
