"""Hard attention: one position is chosen, not a mixture read (Xu 2015)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.layers.attention.prepared import HardChoice


def choose_position(weights: Tensor, *, sampled: bool) -> tuple[Tensor, HardChoice]:
    """One position for each row of probabilities.

    Args:
        weights: (..., source time), probabilities; a row of zeros chooses nothing.
        sampled: draw the position; False: take the likeliest.

    Returns:
        The weights of the choice, 1 at its place and else 0, without gradient; and the choice's
        log-probability and the entropy, with gradient.

    Source: Xu et al. 2015, section 4.1.
    """
    with torch.no_grad():
        # The smallest of exponential times, each at its weight's rate, is a draw by the weights.
        race = weights / torch.empty_like(weights).exponential_() if sampled else weights
        position = race.argmax(-1, keepdim=True)
        chosen = F.one_hot(position.squeeze(-1), weights.shape[-1]).to(weights.dtype)
        chosen = chosen * (weights > 0).any(-1, keepdim=True)
    tiny = torch.finfo(weights.dtype).tiny
    logarithms = weights.clamp_min(tiny).log()
    log_probability = logarithms.gather(-1, position).squeeze(-1)
    return chosen, HardChoice(log_probability, -(weights * logarithms).sum(-1))
