"""Predictive distributions of one value: their parameters, log-likelihood and draws."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, StudentT

from ostinato.errors import SettingsError

PREDICTIVE = {"gaussian": 2, "student-t": 3}
"""Parameters of each distribution."""
_LEAST_SCALE = 1e-3


class PredictiveHead(nn.Module):
    """From features to a distribution of each target.

        location = base + W_1 h + b_1
        scale    = softplus(W_2 h + b_2) + 0.001
        freedom  = 2 + softplus(W_3 h + b_3)         (student-t)

    All weights begin at 0: an untrained head expects the base.

    Args:
        input_size: features h.
        targets: values, independent of each other given h.
        distribution: "gaussian" or "student-t".

    Source: Salinas 2020, section 3.2; the base and Student's t are ours.
    """

    def __init__(self, input_size: int, targets: int, distribution: str) -> None:
        super().__init__()
        if distribution not in PREDICTIVE:
            raise SettingsError(
                f"distribution must be {' or '.join(PREDICTIVE)}, got {distribution!r}"
            )
        self.targets, self.distribution = targets, distribution
        self.linear = nn.Linear(input_size, targets * PREDICTIVE[distribution])
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, base: Tensor) -> Tensor:
        """Parameters (..., targets, n) of features (..., input_size) and base (..., targets)."""
        raw = self.linear(features).unflatten(-1, (self.targets, -1)).float()
        location = base + raw[..., 0]
        scale = F.softplus(raw[..., 1]) + _LEAST_SCALE
        rest = [2 + F.softplus(raw[..., 2])] if self.distribution == "student-t" else []
        return torch.stack([location, scale, *rest], -1)

    def of(self, parameters: Tensor) -> Distribution:
        """The distribution with parameters (..., targets, parameters)."""
        location, scale = parameters[..., 0], parameters[..., 1]
        if self.distribution == "gaussian":
            return Normal(location, scale, validate_args=False)
        return StudentT(parameters[..., 2], location, scale, validate_args=False)
