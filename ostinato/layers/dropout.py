"""Random masks that are cheap on a CPU, and dropout with them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def random_mask(like: Tensor, share: float) -> Tensor:
    """Numbers of 1 with probability `share`, else 0: in the shape and precision of `like`.

    torch draws a Bernoulli mask on the CPU one number after the other, at three times the cost of
    as many uniform ones. On a GPU its own is one kernel and is taken.
    """
    if like.device.type != "cpu":
        return torch.empty_like(like).bernoulli_(share)
    # In 16 bits few uniform numbers are told apart.
    wide = like.dtype if like.dtype == torch.float64 else torch.float32
    return (torch.rand_like(like, dtype=wide) < share).to(like.dtype)


def inverted_mask(like: Tensor, rate: float) -> Tensor:
    """0 with probability `rate`, else 1 / (1 - rate), so that the mean is 1."""
    return random_mask(like, 1 - rate).div_(1 - rate)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` with an `inverted_mask`.

    out = mask * in        in training; in evaluation out = in

    Args:
        p: share of the numbers that is set to 0, from 0 to 1.

    Source: Srivastava 2014.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Numbers of any shape; in training some are 0 and the others larger."""
        if not self.training or not self.p:
            return input
        if input.device.type != "cpu" or self.p == 1:
            return F.dropout(input, self.p, True, self.inplace)
        return input * inverted_mask(input, self.p)
