"""Whole sequences as batches with little padding, in an order that chance decides."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

Window = TypeVar("Window")

# So many batches' sequences are sorted by length together: more would leave less padding and less
# chance in which sequences meet.
_POOL_BATCHES = 100


class Order(NamedTuple):
    """Which batches of which epoch a process reads.

    Attributes:
        seed, epoch: decide the order. No seed: sorted by length, for evaluation.
        rank: this process, from 0.
        world_size: number of processes.
    """

    seed: int | None = None
    epoch: int = 0
    rank: int = 0
    world_size: int = 1


BY_LENGTH = Order()


class PooledBatches(ABC, Dataset[Window]):
    """The batches of one epoch: every sequence once, in an order that (seed, epoch) alone decides.

    Their order is that of `pooled_batches`. With several processes, each reads its own rows of the
    same batch, so the order of the data does not depend on their number; one for which a batch has
    no row reads the first, uncounted.

    Args:
        lengths: (sequences, sides): one side, or source and target.
        tokens: of either side of a batch at most, over all processes, padding included; a sequence
            that is longer alone is a batch by itself.
        rows: sequences of a batch at most, at least 1.
        order: of the batches.
    """

    def __init__(self, lengths: NDArray[np.int64], tokens: int, rows: int, order: Order) -> None:
        self.lengths, self.order = lengths, order
        draws = None
        if order.seed is not None:
            draws = np.random.default_rng([order.seed, order.epoch])
        self.batches = pooled_batches(lengths, tokens, rows, draws)

    @abstractmethod
    def window(self, rows: NDArray[np.int64]) -> Any:
        """These sequences as one window, a named tuple with `counted` and `units`."""

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of an epoch of {len(self)}")
        batch = self.batches[index]
        mine = batch[self.order.rank :: self.order.world_size]
        if len(mine):
            return self.window(mine)
        window = self.window(batch[:1])
        return window._replace(counted=window.counted & False, units=0)

    @property
    def padding_share(self) -> float:
        """The share of all positions, of all sides, that are padding."""
        positions = sum(len(batch) * self.lengths[batch].max(0).sum() for batch in self.batches)
        return 1 - float(self.lengths.sum() / positions)


def pooled_batches(
    lengths: NDArray[np.int64],
    tokens: int,
    rows: int,
    generator: np.random.Generator | None,
) -> list[NDArray[np.int64]]:
    """The numbers of the sequences of each batch, every sequence once.

    Sequences in random order are cut into pools, a pool is sorted by length and cut into batches,
    and the batches of all pools are shuffled.

    Args:
        lengths: (sequences, sides): one side, or source and target.
        tokens: of either side of a batch at most, padding included; a sequence that is longer
            alone is a batch by itself.
        rows: sequences of a batch at most.
        generator: draws the order. None: all sorted by length.
    """
    if generator is None:
        return _cut(_by_length(np.arange(len(lengths)), lengths), lengths, tokens, rows)
    order = generator.permutation(len(lengths))
    rows_a_batch = max(1, min(rows, tokens // max(1, round(lengths.mean()))))
    size = _POOL_BATCHES * rows_a_batch
    batches = []
    for start in range(0, len(order), size):
        # Batches are parts of the one order, so that there is no second one.
        pool = order[start : start + size]
        pool[:] = _by_length(pool, lengths)
        batches += _cut(pool, lengths, tokens, rows)
    return [batches[place] for place in generator.permutation(len(batches))]


def lines_in_words(lines: NDArray[np.int64]) -> str:
    """The lines that a batch holds, in words: the first few, where it is many."""
    told = ", ".join(str(line) for line in lines[:8])
    return f"lines {told}" + (f" and {len(lines) - 8} more" if len(lines) > 8 else "")


def _by_length(order: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """These sequences by the length of their last side, then of the side before it."""
    return order[np.lexsort(lengths[order].T)]


def _cut(
    order: NDArray[np.int64], lengths: NDArray[np.int64], tokens: int, rows: int
) -> list[NDArray[np.int64]]:
    """Sequences in this order as batches, each as large as the limits allow."""
    batches, start, longest = [], 0, 0
    for place, length in enumerate(lengths[order].max(1).tolist()):
        longest = max(longest, length)
        count = place - start + 1
        if count > 1 and (count > rows or count * longest > tokens):
            batches.append(order[start:place])
            start, longest = place, length
    return [*batches, order[start:]]
