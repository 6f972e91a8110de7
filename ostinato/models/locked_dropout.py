"""Dropout with one mask for all steps of a sequence."""

from torch import Tensor, nn

from ostinato.layers import check_rate, inverted_mask


class LockedDropout(nn.Module):
    """Drops the same features at all steps of a call, others for each sample.

    Args:
        rate: share of the features dropped in training; the rest is scaled by 1 / (1 - rate).

    Source: Gal and Ghahramani 2016, variational dropout.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        check_rate("dropout", rate)
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (batch, time, feature), some features dropped in training."""
        if not self.training or not self.rate:
            return inputs
        mask = inputs.new_empty(inputs.shape[0], 1, inputs.shape[2])
        return inputs * inverted_mask(mask, self.rate)

    def extra_repr(self) -> str:
        return str(self.rate)
