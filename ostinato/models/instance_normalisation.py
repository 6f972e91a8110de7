"""Each window in units of its own: taken away before a net reads it, given back to what it expects.

A series whose level moves on is beyond everything that training saw; its last days are not.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError

NORMALISATIONS = ("last", "reversible", "none")
_LEAST_VARIANCE = 1e-5


class WindowScale(NamedTuple):
    """What was taken from each window: `location` and `scale`, both (batch, 1, targets)."""

    location: Tensor
    scale: Tensor


class InstanceNormalisation(nn.Module):
    """Normalises windows, and turns forecasts back.

        last        x - x_T                                       x_T: the last value seen
        reversible  gain (x - mean) / sqrt(variance + 1e-5) + shift
        none        x

    mean and variance are those of the window's own values. What is missing takes no part, and is 0
    afterwards; where nothing was seen nothing is taken away.

    Args:
        targets: values of a step; each has its gain and shift, which are learned.
        kind: one of the three.

    Raises:
        SettingsError: there is no such kind.

    Source: Kim 2022 (RevIN), equations 1 to 3, and Lin 2023 (SegRNN), section 4.2, for the last
    value. Our gain is the exponential of what is learned: it stays above 0, and quantiles in order.
    """

    def __init__(self, targets: int, kind: str) -> None:
        super().__init__()
        if kind not in NORMALISATIONS:
            raise SettingsError(f"normalisation must be {', '.join(NORMALISATIONS)}, got {kind!r}")
        self.kind = kind
        self.log_gain = self.shift = None
        if kind == "reversible":
            self.log_gain = nn.Parameter(torch.zeros(targets))
            self.shift = nn.Parameter(torch.zeros(targets))

    def forward(self, values: Tensor, seen: Tensor) -> tuple[Tensor, WindowScale]:
        """Normalise.

        Args:
            values: (batch, time, targets); what is missing is not looked at.
            seen: booleans of the same shape, False where missing.

        Returns:
            (batch, time, targets), 0 where missing; and what was taken away.
        """
        values = torch.where(seen, values, 0.0)
        taken = self._scale_of(values, seen)
        normal = (values - taken.location) / taken.scale
        if self.log_gain is not None and self.shift is not None:
            normal = normal * self.log_gain.exp() + self.shift
        return torch.where(seen, normal, 0.0), taken

    def restore(self, outputs: Tensor, taken: WindowScale) -> Tensor:
        """Turn (batch, horizon, targets, outputs) back to the units of the values."""
        if self.log_gain is not None and self.shift is not None:
            outputs = (outputs - self.shift.unsqueeze(-1)) * (-self.log_gain).exp().unsqueeze(-1)
        return outputs * taken.scale.unsqueeze(-1) + taken.location.unsqueeze(-1)

    def _scale_of(self, values: Tensor, seen: Tensor) -> WindowScale:
        nothing = torch.zeros_like(values[:, :1])
        if self.kind == "none":
            return WindowScale(nothing, nothing + 1)
        if self.kind == "last":
            return WindowScale(_last_seen(values, seen), nothing + 1)
        count = seen.sum(1, keepdim=True).clamp(min=1)
        mean = values.sum(1, keepdim=True) / count
        apart = torch.where(seen, values - mean, 0.0)
        variance = apart.square().sum(1, keepdim=True) / count
        spread = torch.where(seen.any(1, keepdim=True), variance, 1.0) + _LEAST_VARIANCE
        return WindowScale(mean, spread.sqrt())


def _last_seen(values: Tensor, seen: Tensor) -> Tensor:
    """The last value seen of each window, 0 where none was: (batch, 1, targets)."""
    steps = torch.arange(values.shape[1], device=values.device).view(1, -1, 1)
    latest = torch.where(seen, steps, 0).amax(1, keepdim=True)
    return values.gather(1, latest)
