"""A learned initial state: a parameter for each part of a cell's state."""

from typing import Any

import torch
from torch import nn

from ostinato.state import rebuild


class LearnedState(nn.Module):
    """The initial state as parameters, at first zero, the same for every sample.

    Args:
        state_sizes: the cell's named tuple of sizes.
    """

    def __init__(self, state_sizes: Any) -> None:
        super().__init__()
        self.kind = type(state_sizes)
        for name, size in zip(state_sizes._fields, state_sizes, strict=True):
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))

    def forward(self, batch_size: int) -> Any:
        """The state before the first step, its tensors (batch_size, size)."""
        parts = [getattr(self, name).expand(batch_size, -1) for name in self.kind._fields]
        return rebuild(self.kind(*parts), parts)
