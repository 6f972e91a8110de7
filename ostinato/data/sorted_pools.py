"""Whole sequences as batches with little padding, in an order that chance decides."""

import numpy as np
from numpy.typing import NDArray

# So many batches' sequences are sorted by length together: more would leave less padding and less
# chance in which sequences meet.
_POOL_BATCHES = 100


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
        pool = _by_length(order[start : start + size], lengths)
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
