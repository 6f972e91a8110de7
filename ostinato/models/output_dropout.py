"""Dropout that is cheap on a CPU, for outputs so many that drawing the mask is felt."""

import torch
from torch import Tensor, nn


class OutputDropout(nn.Module):
    """`torch.nn.Dropout`, its mask from uniform numbers.

        m ~ U[0, 1) >= rate,   out = m * in / (1 - rate)

    torch draws a Bernoulli mask on the CPU one number after the other, at four times the cost of as
    many uniform numbers. On a GPU, torch's own is one kernel and is taken.

    Args:
        rate: share that is set to 0 in training.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs, of any shape; some of them 0 and the others larger while it trains."""
        if not self.training or not self.rate:
            return inputs
        if inputs.is_cuda:
            return nn.functional.dropout(inputs, self.rate)
        kept = (torch.rand_like(inputs) >= self.rate).to(inputs.dtype)
        return inputs * kept.div_(1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"
