"""Training on whole samples with one class each: nothing is carried to the next batch."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ostinato.state import NoState
from ostinato.training.through_time import WindowLoss


class SampleWindowLike(Protocol):
    """What is read of a batch of samples; see `ostinato.data.classification.batches`."""

    @property
    def inputs(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...
    @property
    def targets(self) -> Tensor: ...
    @property
    def counted(self) -> Tensor: ...


class ThroughSamples(nn.Module):
    """The loss of a batch of samples, for the same loop as windows through time.

    Args:
        model: is called with inputs and lengths, and offers `loss(scores, classes)` -> (batch,).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried."""
        return NoState()

    def forward(self, window: SampleWindowLike, carried: Any) -> WindowLoss:
        """The losses of the counted samples of `window`; `carried` is not read."""
        scores = self.model(window.inputs, window.lengths)
        losses = self.model.loss(scores, window.targets)  # pyright: ignore[reportCallIssue]
        counted = window.counted[:, 0].to(losses.device, non_blocking=True)
        losses = torch.where(counted, losses, 0.0)
        # A sample has one loss, which stands at its first step.
        return WindowLoss(losses.sum(), losses.detach().unsqueeze(1), 0, NoState())
