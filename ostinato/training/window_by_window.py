"""Training on windows of which each stands by itself: nothing is carried from one to the next."""

from typing import Any

import torch
from torch import nn

from ostinato.state import NoState
from ostinato.training.through_time import WindowLike, WindowLoss, first_counted


class WindowByWindow(nn.Module):
    """The loss of a window that is read from its own beginning, whatever came before it.

    For a model whose sight ends with the window, as a Transformer's. Where windows overlap
    (`update_every` < `window`), every counted step has seen at least the context in front of it.

    Args:
        model: offers `forward(inputs, state, resets=)` and `loss(outputs, targets)` -> (batch,
            time).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried."""
        return NoState()

    def forward(self, window: WindowLike, carried: Any) -> WindowLoss:
        """The counted losses of `window`."""
        outputs, _ = self.model(window.inputs, None, resets=window.resets)
        first = first_counted(window.counted)
        losses = self.model.loss(outputs[:, first:], window.targets[:, first:])  # pyright: ignore[reportCallIssue]
        counted = window.counted[:, first:].to(losses.device, non_blocking=True)
        losses = torch.where(counted, losses, 0.0)
        return WindowLoss(losses.sum(), losses.detach(), first, NoState())
