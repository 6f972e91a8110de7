"""Windows over the tokens of a part, for training with carried state."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ostinato.data.token_part import TokenPart
from ostinato.data.window import Window, check_windows, window_bounds, window_count
from ostinato.errors import DataError, SettingsError


class TokenWindows(Dataset[Window]):
    """An epoch of windows over a part read as `batch_size` parallel streams, one after the other.

    Stream i of the run is a contiguous piece of the part; the pieces' lengths differ by at most
    one, and where a stream is one shorter its last step is padding that does not count: every
    target counts exactly once an epoch. With several processes, each reads its own rows of the same
    batch, so the order of the data does not depend on their number.

    `resets` is True where a document begins. It is None where nothing begins within the window: a
    document that begins where a fresh window does needs no reset.

    Args:
        tokens: The part to read.
        batch_size: Streams of the whole run, over all processes.
        update_every: Steps of loss in a window.
        backprop_steps: Steps in a window, at least `update_every`.
        rank: This process, from 0.
        world_size: Number of processes; must divide `batch_size`.

    Raises:
        SettingsError: Sizes that cannot be, or a `batch_size` that `world_size` does not divide.
        DataError: The part has fewer tokens than streams.
    """

    def __init__(
        self,
        tokens: TokenPart,
        batch_size: int,
        update_every: int,
        backprop_steps: int,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_windows(update_every, backprop_steps)
        _check_streams(tokens, batch_size, rank, world_size)
        self.tokens = tokens
        self.update_every = update_every
        self.backprop_steps = backprop_steps
        rows = batch_size // world_size
        mine = slice(rank * rows, (rank + 1) * rows)
        bounds = _stream_bounds(tokens.targets, batch_size)
        self.starts = bounds[:-1][mine]
        self.lengths = np.diff(bounds)[mine]
        self.steps = -(-tokens.targets // batch_size)

    def __len__(self) -> int:
        return window_count(self.steps, self.update_every)

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of an epoch of {len(self)}")
        bounds = window_bounds(index, self.steps, self.update_every, self.backprop_steps)
        steps = np.arange(bounds.start, bounds.stop)
        # A stream that is one step shorter reads its last token again in place of padding.
        within = np.minimum(steps, self.lengths[:, None] - 1)
        positions = self.starts[:, None] + within
        inputs, targets = self.tokens.gather(positions), self.tokens.gather(positions + 1)
        counted = (steps >= bounds.first_counted) & (steps < self.lengths[:, None])
        if not self.tokens.counts_ends:
            counted &= targets != self.tokens.end_index
        resets = inputs == self.tokens.end_index
        fresh = bounds.start == 0
        if fresh:
            resets[:, 0] = False
        return Window(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            counted=torch.from_numpy(counted),
            resets=torch.from_numpy(resets) if resets.any() else None,
            advance=bounds.advance,
            fresh=fresh,
            where=f"{self.tokens.source}, tokens {bounds.start}-{bounds.stop} of each stream",
            units=int(counted.sum()),
        )


def _stream_bounds(targets: int, batch_size: int) -> NDArray[np.int64]:
    """Where each stream starts, and where the last one stops: the first streams are one longer."""
    shorter, longer_streams = divmod(targets, batch_size)
    streams = np.arange(batch_size + 1)
    return streams * shorter + np.minimum(streams, longer_streams)


def _check_streams(tokens: TokenPart, batch_size: int, rank: int, world_size: int) -> None:
    if batch_size < 1:
        raise SettingsError(f"batch_size must be at least 1, not {batch_size}")
    if batch_size % world_size:
        raise SettingsError(
            f"batch_size ({batch_size}) must be a multiple of the number of processes "
            f"({world_size}): each reads the same number of streams"
        )
    if not 0 <= rank < world_size:
        raise SettingsError(f"rank must be from 0 to {world_size - 1}, not {rank}")
    if tokens.targets < batch_size:
        raise DataError(
            f"{tokens.source} has {tokens.targets} tokens, too few for {batch_size} streams; "
            "give more text or a smaller batch_size"
        )
