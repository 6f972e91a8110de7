"""What a forecaster that reads step by step makes of the values before a step."""

from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.models.input_decay import InputDecay
from ostinato.models.predictive import PredictiveHead

NEVER_SEEN = 1000.0
"""Steps since a value was seen that never was; no larger number is told to the net."""


class ReadValues(NamedTuple):
    """What is known before a step, (batch, targets) or (batch, time, targets) each.

    `last`: the last value seen, `age`: steps since, `rise`: what the last step added to the last
    value seen, `lag`: the value of a season ago, `lag_seen`: 1 where that was seen.
    """

    last: Tensor
    age: Tensor
    rise: Tensor
    lag: Tensor
    lag_seen: Tensor

    def believed(self, decay: InputDecay | None) -> Tensor:
        """The last value seen, faded by its age where there is a decay."""
        return self.last if decay is None else decay(self.last, self.age)

    def lag_or(self, believed: Tensor) -> Tensor:
        """The value of a season ago; where it was not seen, the one believed."""
        return torch.where(self.lag_seen > 0, self.lag, believed)

    def features(
        self, head: PredictiveHead, decay: InputDecay | None, covariates: Tensor, *, rises: bool
    ) -> Tensor:
        """What the net reads.

        Args:
            head: says what a level is.
            decay: see `believed`; the ages are then read once more, as they are, after all else.
            covariates: (..., covariates) of the step.
            rises: rises are read, no levels.
        """
        last, lag = head.level(self.believed(decay)), head.level(self.lag)
        if rises:
            lag = torch.where(self.lag_seen > 0, lag - last, 0.0)
            last = self.rise
        ages = [] if decay is None else [self.age]
        return torch.cat([last, self.age.log1p(), lag, self.lag_seen, covariates, *ages], -1)


def rise_between(head: PredictiveHead, before: Tensor, after: Tensor, age: Tensor) -> Tensor:
    """What a step added to the last value seen; the first one seen is no rise from 0."""
    return torch.where(age < NEVER_SEEN, head.level(after) - head.level(before), 0.0)
