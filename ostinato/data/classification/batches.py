"""An epoch of batches of samples, each of samples of about the same length."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.data.classification.part import SamplePart
from ostinato.data.sorted_pools import BY_LENGTH, Order, PooledBatches
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


class SampleBatches(PooledBatches[SampleWindow]):
    """The batches of samples of one epoch, each of samples of about the same length.

    Args:
        part: the samples.
        steps: of a batch over all processes, padding included; a longer sample is a batch by
            itself.
        samples: of a batch at most.
        order: which epoch, and which part of it this process reads.

    Raises:
        SettingsError: limits that cannot be.
    """

    def __init__(
        self, part: SamplePart, *, steps: int, samples: int, order: Order = BY_LENGTH
    ) -> None:
        if steps < 1 or samples < 1:
            raise SettingsError(
                f"a batch needs at least 1 step and 1 sample, not {steps} and {samples}"
            )
        super().__init__(part.inputs.lengths[:, None], steps, samples, order)
        self.part = part

    def window(self, rows: NDArray[np.int64]) -> SampleWindow:
        part = self.part
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
