"""Predictive distributions of one value: their parameters, log-likelihood and draws."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, NegativeBinomial, Normal, StudentT

from ostinato.errors import SettingsError

PREDICTIVE = {"gaussian": 2, "student-t": 3, "negative-binomial": 2}
"""Parameters of each distribution; the share comes to them."""
_NOISE_PARTS = {"gaussian": 1, "student-t": 2, "negative-binomial": 0}
_LEAST_SCALE = 1e-3
_LARGEST_LOG_MEAN = 20.0
"""A path that feeds on itself must not run away to infinity."""


class PredictiveHead(nn.Module):
    """From features to a distribution of each target.

        share    = sigmoid(W_0 h + b_0)
        location = (1 - share) level(last) + share level(lag) + W_1 h + b_1
        scale    = softplus(W_2 h + b_2) + 0.001
        freedom  = 2 + softplus(W_3 h + b_3)         (student-t)
        mean     = exp(location)                     (negative-binomial)
        variance = mean + scale mean^2               (negative-binomial)

    level is the value itself, or log(1 + value) of counts. All weights begin at 0: an untrained
    head expects the mean of the last value and of the one a season ago.

    Args:
        input_size: features h.
        targets: values, independent of each other given h.
        distribution: "gaussian", "student-t", or "negative-binomial" for counts.

    Source: Salinas 2020, section 3.2 and equations 3 and 4 of its likelihoods; the two values in
    the location and Student's t are ours.
    """

    def __init__(self, input_size: int, targets: int, distribution: str) -> None:
        super().__init__()
        if distribution not in PREDICTIVE:
            raise SettingsError(
                f"distribution must be {', '.join(PREDICTIVE)}, got {distribution!r}"
            )
        self.targets, self.distribution = targets, distribution
        self.linear = nn.Linear(input_size, targets * (1 + PREDICTIVE[distribution]))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    @property
    def counts(self) -> bool:
        """Whether values are counts, which are not standardised."""
        return self.distribution == "negative-binomial"

    def level(self, values: Tensor) -> Tensor:
        """Values as features and locations are reckoned in: as they are, or log(1 + count)."""
        return values.clamp(min=0).log1p() if self.counts else values

    def forward(self, features: Tensor, last: Tensor, lag: Tensor) -> Tensor:
        """Parameters of the distribution of each target.

        Args:
            features: (..., input_size).
            last, lag: (..., targets), the last value seen and the one a season ago.

        Returns:
            (..., targets, parameters).
        """
        raw = self.linear(features).unflatten(-1, (self.targets, -1)).to(last.dtype)
        return torch.stack(self.parameters_of(raw.unbind(-1), last, lag), -1)

    def parameters_of(self, raw: Sequence[Tensor], last: Tensor, lag: Tensor) -> list[Tensor]:
        """The same from W h + b, one of (..., targets) for each row; a parameter each."""
        share, push, spread, *rest = raw
        location = torch.lerp(self.level(last), self.level(lag), torch.sigmoid(share)) + push
        if self.counts:
            location = location.clamp(max=_LARGEST_LOG_MEAN).exp()
        return [location, F.softplus(spread) + _LEAST_SCALE, *(2 + F.softplus(one) for one in rest)]

    @property
    def noise_parts(self) -> int:
        """Numbers of noise that a value is made of; 0 for counts, which are drawn otherwise."""
        return _NOISE_PARTS[self.distribution]

    def noise(self, batch_size: int, steps: int) -> Tensor:
        """Noise for `value`, from torch's own generator: (batch, time, noise_parts * targets)."""
        like = self.linear.weight
        drawn = []
        for _ in range(steps):  # so that the first steps do not depend on how many there are
            normal = torch.randn(batch_size, self.targets, dtype=like.dtype, device=like.device)
            if self.distribution == "student-t":
                angle = torch.rand_like(normal) * (2 * math.pi)
                normal = torch.cat([angle.cos(), torch.empty_like(normal).exponential_()], -1)
            drawn.append(normal)
        return torch.stack(drawn, 1)

    def value(self, parameters: Sequence[Tensor], noise: Sequence[Tensor]) -> Tensor:
        """The value (..., targets) that noise becomes; a gradient flows through it.

            location + scale n                                              (gaussian)
            location + scale c sqrt(freedom (exp(2 e / freedom) - 1))       (student-t)

        Args:
            parameters: as `parameters_of` gives them.
            noise: n of a standard normal distribution; or c, the cosine of a uniform angle, and e
                of an exponential one.

        Source: Bailey 1994, the polar method for Student's t.
        """
        location, scale, *freedom = parameters
        if self.distribution == "gaussian":
            return location + scale * noise[0]
        cosine, exponential = noise
        length = (freedom[0] * torch.expm1(2 * exponential / freedom[0])).sqrt()
        return location + scale * cosine * length

    def of(self, parameters: Tensor) -> Distribution:
        """The distribution with parameters (..., targets, parameters)."""
        location, scale = parameters[..., 0], parameters[..., 1]
        if self.distribution == "gaussian":
            return Normal(location, scale, validate_args=False)
        if self.distribution == "student-t":
            return StudentT(parameters[..., 2], location, scale, validate_args=False)
        odds = (location * scale).log()
        return NegativeBinomial(1 / scale, logits=odds, validate_args=False)
