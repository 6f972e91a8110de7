"""Training on whole sequences with a label for every step: nothing is carried to the next batch."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ostinato.state import NoState
from ostinato.training.through_time import WindowLoss


class TagWindowLike(Protocol):
    """What is read of a batch of tagged sentences; see `ostinato.data.TagWindow`."""

    @property
    def inputs(self) -> Tensor: ...
    @property
    def characters(self) -> Tensor: ...
    @property
    def spellings(self) -> Tensor: ...
    @property
    def features(self) -> Tensor: ...
    @property
    def targets(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...
    @property
    def counted(self) -> Tensor: ...


class ThroughLabels(nn.Module):
    """The loss of a batch of tagged sentences, for the same loop as windows through time.

    Args:
        model: is called with words, characters, spellings, lengths and features, and offers
            `loss(scores, labels, lengths)` -> (batch,).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried."""
        return NoState()

    def forward(self, window: TagWindowLike, carried: Any) -> WindowLoss:
        """The losses of the counted sentences of `window`; `carried` is not read."""
        lengths = window.lengths
        scores = self.model(
            window.inputs, window.characters, window.spellings, lengths, window.features
        )
        losses = self.model.loss(scores, window.targets, lengths)  # pyright: ignore[reportCallIssue]
        counted = window.counted[:, 0].to(losses.device, non_blocking=True)
        losses = torch.where(counted, losses, 0.0)
        # A sentence has one loss, which stands at its first step.
        return WindowLoss(losses.sum(), losses.detach().unsqueeze(1), 0, NoState())
