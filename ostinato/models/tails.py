"""How far out in a distribution a value lies."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, NegativeBinomial, Normal, StudentT

Values = NDArray[np.float64]
_MOST_TERMS = 500
_TINY, _CLOSE = 1e-300, 1e-15


def tail_probability(distribution: Distribution, values: Tensor) -> Values:
    """The probability of a value at least as far out, on either side: from 0 to 1.

        p = min(1, 2 min(P(Z <= z), P(Z >= z)))

    Args:
        distribution: normal, Student's t or negative binomial; any batch shape.
        values: (...), that fit it.

    Example:
        >>> normal = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
        >>> round(float(tail_probability(normal, torch.tensor(-1.96))), 3)
        0.05
    """
    value = values.double().cpu()
    if isinstance(distribution, Normal):
        apart = (value - _numbers(distribution.loc)) / _numbers(distribution.scale)
        return torch.special.erfc(apart.abs() / 2**0.5).numpy()
    if isinstance(distribution, StudentT):
        freedom = _numbers(distribution.df)
        apart = (value - _numbers(distribution.loc)) / _numbers(distribution.scale)
        share = freedom / (freedom + apart**2)
        return incomplete_beta(freedom.numpy() / 2, np.array(0.5), share.numpy())
    assert isinstance(distribution, NegativeBinomial)
    size, share = _numbers(distribution.total_count), _numbers(distribution.probs)
    size, share, count = (part.numpy() for part in torch.broadcast_tensors(size, share, value))
    at_most = incomplete_beta(size, count + 1, 1 - share)
    at_least = np.where(count > 0, incomplete_beta(np.maximum(count, 1), size, share), 1.0)
    return np.minimum(1.0, 2 * np.minimum(at_most, at_least))


def incomplete_beta(a: Values, b: Values, x: Values) -> Values:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction.

    Source: DLMF 8.17.22; where x is beyond (a + 1) / (a + b + 2), I_x(a, b) = 1 - I_{1-x}(b, a).
    """
    a, b, x = (np.array(part, dtype=np.float64) for part in np.broadcast_arrays(a, b, x))
    turned = x > (a + 1) / (a + b + 2)
    first, second = np.where(turned, b, a), np.where(turned, a, b)
    at = np.where(turned, 1 - x, x)
    inside = np.clip(at, _TINY, 1 - 1e-16)
    gamma = [torch.lgamma(torch.from_numpy(part)).numpy() for part in (a + b, a, b)]
    logs = gamma[0] - gamma[1] - gamma[2] + first * np.log(inside) + second * np.log1p(-inside)
    found = np.exp(logs) / first * _continued_fraction(first, second, inside)
    found = np.where(at <= 0, 0.0, found)
    return np.where(turned, 1 - found, found)


def _continued_fraction(a: Values, b: Values, x: Values) -> Values:
    """1 / (1 + d_1 / (1 + d_2 / (1 + ...))), by Lentz's method."""
    upper, lower = np.ones_like(x), 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = lower.copy()
    for m in range(1, _MOST_TERMS):
        before = found.copy()
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            lower = 1 / _not_zero(1 + term * lower)
            upper = _not_zero(1 + term / upper)
            found = found * lower * upper
        if np.all(np.abs(found - before) <= _CLOSE * np.abs(found)):
            break
    return found


def _not_zero(number: Values) -> Values:
    return np.where(np.abs(number) < _TINY, _TINY, number)


def _numbers(part: Tensor) -> Tensor:
    return part.double().cpu()
