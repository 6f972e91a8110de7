"""Scheduled sampling: in training the decoder reads its own tokens, ever more often."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ostinato.errors import SettingsError

_KINDS = ("linear", "exponential", "inverse-sigmoid")


@dataclass(frozen=True)
class ScheduledSampling:
    """How often, at update i from 0, the true token before is read: else one drawn by the model.

        linear           truth_i = max(lowest, 1 - i / updates)
        exponential      truth_i = max(lowest, exp(-i / updates))
        inverse-sigmoid  truth_i = max(lowest, k / (k + exp(i / k))),   k = updates

    Args:
        kind: the curve.
        updates: how slowly it falls. An update is a call of the model's `loss` in training.
        lowest: the share of true tokens that it does not fall below.

    Raises:
        SettingsError: an unknown kind, or a number out of range.

    Source: Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4; the exponential's k there is
    exp(-1 / updates) here, the linear one starts from 1.
    """

    kind: Literal["linear", "exponential", "inverse-sigmoid"] = "inverse-sigmoid"
    updates: float = 1000.0
    lowest: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise SettingsError(f"kind must be one of {', '.join(_KINDS)}, got {self.kind!r}")
        if not self.updates > 0:
            raise SettingsError(f"updates must be above 0, got {self.updates}")
        if not 0 <= self.lowest <= 1:
            raise SettingsError(f"lowest must be from 0 to 1, got {self.lowest}")

    def share_of_truth(self, update: Tensor) -> Tensor:
        """truth_i, a scalar, of update i, a scalar.

        Example:
            >>> ScheduledSampling("linear", updates=10).share_of_truth(torch.tensor(4))
            tensor(0.6000)
        """
        passed = update / self.updates
        if self.kind == "linear":
            share = 1 - passed
        elif self.kind == "exponential":
            share = torch.exp(-passed)
        else:
            share = self.updates / (self.updates + torch.exp(passed))
        return share.clamp_min(self.lowest)
