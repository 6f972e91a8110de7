"""Quantiles as a net gives them: rising by construction, and what they cost."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.errors import SettingsError


def check_levels(levels: Sequence[float]) -> None:
    """Refuse levels that do not rise between 0 and 1.

    Raises:
        SettingsError: names them.
    """
    if not levels or any(not 0 < one < 1 for one in levels) or list(levels) != sorted(set(levels)):
        raise SettingsError(
            "quantiles must be rising numbers between 0 and 1, got "
            f"{' '.join(map(str, levels)) or 'none'}"
        )


def rising_quantiles(raw: Tensor, levels: Sequence[float]) -> Tensor:
    """Numbers of any size as quantiles that cannot cross.

        q_m     = raw_m                         m: the level nearest to one half
        q_{k+1} = q_k + softplus(raw_{k+1})     above it
        q_{k-1} = q_k - softplus(raw_{k-1})     below it

    Args:
        raw: (..., levels).
        levels: rising.

    Returns:
        (..., levels), rising along the last axis.

    Example:
        >>> rising_quantiles(torch.tensor([-50.0, 2.0, 50.0]), (0.1, 0.5, 0.9)).tolist()
        [2.0, 2.0, 52.0]
    """
    middle = min(range(len(levels)), key=lambda place: abs(levels[place] - 0.5))
    between = F.softplus(raw)
    above = between[..., middle + 1 :].cumsum(-1)
    below = between[..., :middle].flip(-1).cumsum(-1).flip(-1)
    centre = raw[..., middle : middle + 1]
    return torch.cat([centre - below, centre, centre + above], -1)


def pinball_loss(quantiles: Tensor, truth: Tensor, levels: Sequence[float]) -> Tensor:
    """What quantiles cost, the mean over the levels.

        loss_k = max(p_k (y - q_k), (p_k - 1) (y - q_k))

    Args:
        quantiles: (..., levels).
        truth: (...).
        levels: p, one for each quantile.

    Returns:
        (...), in the units of the values.

    Source: Koenker 1978, equation 1.1.
    """
    share = quantiles.new_tensor(levels)
    apart = truth.unsqueeze(-1) - quantiles
    return torch.maximum(share * apart, (share - 1) * apart).mean(-1)


def paths_of_quantiles(quantiles: Tensor, levels: Sequence[float], count: int) -> Tensor:
    """Values at `count` levels 0, .., 1, on straight lines through the quantiles.

    Beyond the outer two the lines go on, so that the mean and every other quantile of these
    equally likely values are those of the forecast.

    Args:
        quantiles: (batch, ..., levels).
        levels: rising; of one alone all values are the same.
        count: at least 2.

    Returns:
        (batch, count, ...).

    Example:
        >>> paths_of_quantiles(torch.tensor([[1.0, 3.0]]), (0.25, 0.75), 5).tolist()
        [[0.0, 1.0, 2.0, 3.0, 4.0]]
    """
    if len(levels) == 1:
        return quantiles.movedim(-1, 1).repeat_interleave(count, 1)
    known = torch.tensor(levels, dtype=torch.double)
    wanted = torch.linspace(0, 1, count, dtype=torch.double)
    left = (torch.searchsorted(known, wanted, right=True) - 1).clamp(0, len(levels) - 2)
    share = (wanted - known[left]) / (known[left + 1] - known[left])
    # As one matrix: the value at each level is a weighted sum of two quantiles.
    matrix = torch.zeros(count, len(levels), dtype=torch.double)
    rows = torch.arange(count)
    matrix[rows, left] = 1 - share
    matrix[rows, left + 1] += share
    return (quantiles @ matrix.t().to(quantiles)).movedim(-1, 1)
