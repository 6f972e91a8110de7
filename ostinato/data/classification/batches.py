"""An epoch of batches of samples, each of samples of about the same length."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ostinato.data.classification.part import SamplePart
from ostinato.data.sorted_pools import pooled_batches
from ostinato.errors import SettingsError

_TOLD = 4


class SampleWindow(NamedTuple):
    """Whole samples: a window that carries no state to the next.

    Attributes:
        inputs: tokens (batch, time) or numbers (batch, time, feature), 0 behind a sample's end.
        lengths: (batch,), the steps of each sample.
        targets: (batch,), the index of each sample's class; or (batch, classes), whether it has
            each label.
        counted: (batch, 1), boolean, True where the sample counts.
        rows: (batch,), the number of each sample in its part.
        where: the place in the data, for messages.
        units: how many samples count.
        fresh: a sample never goes on from the one before.
    """

    inputs: Tensor
    lengths: Tensor
    targets: Tensor
    counted: Tensor
    rows: Tensor
    where: str
    units: int
    fresh: bool = True


class SampleBatches(Dataset[SampleWindow]):
    """The batches of one epoch: every sample once, in an order that (seed, epoch) alone decides.

    Samples in random order are cut into pools, a pool is sorted by length and cut into batches, and
    the batches of all pools are shuffled. With several processes, each reads its own rows of the
    same batch; one for which a batch has no row reads the first, uncounted.

    Args:
        part: the samples.
        steps: of a batch over all processes, padding included; a longer sample is a batch by
            itself.
        samples: of a batch at most.
        seed, epoch: decide the order. No seed: sorted by length, for evaluation.
        rank: this process, from 0.
        world_size: number of processes.

    Raises:
        SettingsError: limits that cannot be.
    """

    def __init__(
        self,
        part: SamplePart,
        *,
        steps: int,
        samples: int,
        seed: int | None = None,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if steps < 1 or samples < 1:
            raise SettingsError(
                f"a batch needs at least 1 step and 1 sample, not {steps} and {samples}"
            )
        self.part = part
        self.rank = rank
        self.world_size = world_size
        self.lengths = part.inputs.lengths[:, None]
        generator = None if seed is None else np.random.default_rng([seed, epoch])
        self.batches = pooled_batches(self.lengths, steps, samples, generator)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> SampleWindow:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of an epoch of {len(self)}")
        batch = self.batches[index]
        mine = batch[self.rank :: self.world_size]
        window = _window(self.part, mine if len(mine) else batch[:1])
        if len(mine):
            return window
        return window._replace(counted=window.counted & False, units=0)

    @property
    def padding_share(self) -> float:
        """The share of all positions that is padding."""
        positions = sum(len(batch) * self.lengths[batch].max() for batch in self.batches)
        return 1 - float(self.lengths.sum() / positions)


def _window(part: SamplePart, rows: NDArray[np.int64]) -> SampleWindow:
    inputs, _ = part.inputs.padded(rows)
    places = "; ".join(part.places[int(row)] for row in rows[:_TOLD])
    more = f" and {len(rows) - _TOLD} more" if len(rows) > _TOLD else ""
    return SampleWindow(
        inputs=torch.from_numpy(inputs),
        lengths=torch.from_numpy(part.inputs.lengths[rows]),
        targets=torch.from_numpy(part.classes[rows]),
        counted=torch.ones(len(rows), 1, dtype=torch.bool),
        rows=torch.from_numpy(rows),
        where=f"{part.name}, {places}{more}",
        units=len(rows),
    )
