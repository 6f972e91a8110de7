"""The last value seen, less and less believed the longer ago it was."""

import torch
from torch import Tensor, nn


class InputDecay(nn.Module):
    """Decay of each target towards its mean, which standardised values have at 0.

        believed = value                                  if it was seen in the step before
        believed = exp(-max(0, w * age + b)) * value      else

    Args:
        targets: values of a step.

    Source: Che 2018 (GRU-D), equations 10 and 11, with a weight for each target alone.
    """

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(targets))
        self.bias = nn.Parameter(torch.zeros(targets))
        # At 0 itself there is no gradient, and nothing would ever be learned.
        nn.init.constant_(self.weight, 0.01)

    def forward(self, value: Tensor, age: Tensor) -> Tensor:
        """The values believed, (..., targets), from those last seen and the steps since."""
        decay = torch.exp(-torch.relu(self.weight * age + self.bias))
        return torch.where(age > 0, decay * value, value)
