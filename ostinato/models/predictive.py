"""Predictive distributions of one value: their parameters, log-likelihood and draws."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, StudentT

from ostinato.errors import SettingsError

PREDICTIVE = {"gaussian": 2, "student-t": 3}
"""Parameters of each distribution; the share comes to them."""
_LEAST_SCALE = 1e-3


class PredictiveHead(nn.Module):
    """From features to a distribution of each target.

        share    = sigmoid(W_0 h + b_0)
        location = (1 - share) last + share lag + W_1 h + b_1
        scale    = softplus(W_2 h + b_2) + 0.001
        freedom  = 2 + softplus(W_3 h + b_3)         (student-t)

    All weights begin at 0: an untrained head expects the mean of the last value and of the one a
    season ago.

    Args:
        input_size: features h.
        targets: values, independent of each other given h.
        distribution: "gaussian" or "student-t".

    Source: Salinas 2020, section 3.2; the two values in the location and Student's t are ours.
    """

    def __init__(self, input_size: int, targets: int, distribution: str) -> None:
        super().__init__()
        if distribution not in PREDICTIVE:
            raise SettingsError(
                f"distribution must be {' or '.join(PREDICTIVE)}, got {distribution!r}"
            )
        self.targets, self.distribution = targets, distribution
        self.linear = nn.Linear(input_size, targets * (1 + PREDICTIVE[distribution]))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, last: Tensor, lag: Tensor) -> Tensor:
        """Parameters of the distribution of each target.

        Args:
            features: (..., input_size).
            last, lag: (..., targets), the last value seen and the one a season ago.

        Returns:
            (..., targets, parameters).
        """
        raw = self.linear(features).unflatten(-1, (self.targets, -1)).to(last.dtype)
        location = torch.lerp(last, lag, torch.sigmoid(raw[..., 0])) + raw[..., 1]
        scale = F.softplus(raw[..., 2]) + _LEAST_SCALE
        rest = [2 + F.softplus(raw[..., 3])] if self.distribution == "student-t" else []
        return torch.stack([location, scale, *rest], -1)

    def of(self, parameters: Tensor) -> Distribution:
        """The distribution with parameters (..., targets, parameters)."""
        location, scale = parameters[..., 0], parameters[..., 1]
        if self.distribution == "gaussian":
            return Normal(location, scale, validate_args=False)
        return StudentT(parameters[..., 2], location, scale, validate_args=False)
