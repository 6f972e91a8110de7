"""Numbers from 0 on in an order that chance decides; of very many no list is kept.

Of many, a number is found by a Feistel network over the bits of its place, walked on until it lies
below the count (Luby and Rackoff 1988; cycle walking: Black and Rogaway 2002).
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

_LISTED = 1 << 22
"""A list of so many is kept."""
_ROUNDS = 6
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@final
class Shuffled:
    """Every number below a count once.

    Args:
        count: so many.
        seed: where chance comes from.
    """

    def __init__(self, count: int, seed: Sequence[int]) -> None:
        self.count = count
        chance = np.random.default_rng(seed)
        self._list = chance.permutation(count) if count <= _LISTED else None
        self._keys = chance.integers(0, 2**63, _ROUNDS, dtype=np.uint64)
        self._half = np.uint64(((count - 1).bit_length() + 1) // 2) if count > 1 else np.uint64(1)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, places: slice) -> NDArray[np.int64]:
        if self._list is not None:
            return self._list[places]
        found = np.arange(*places.indices(self.count), dtype=np.uint64)
        found = self._mixed(found)
        while (beyond := found >= self.count).any():
            found[beyond] = self._mixed(found[beyond])
        return found.astype(np.int64)

    def _mixed(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """A permutation of the numbers of so many bits."""
        half, mask = self._half, (np.uint64(1) << self._half) - np.uint64(1)
        left, right = numbers >> half, numbers & mask
        for key in self._keys:
            product = (right + key) * _FACTOR
            left, right = (
                right,
                left ^ ((product ^ (product >> np.uint64(29))) >> np.uint64(17) & mask),
            )
        return (left << half) | right
