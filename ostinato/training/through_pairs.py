"""Training on whole pairs of sequences: no state is carried from one batch to the next."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ostinato.state import NoState
from ostinato.training.through_time import WindowLoss


class PairWindowLike(Protocol):
    """What is read of a batch of pairs; see `ostinato.data.PairWindow`."""

    @property
    def inputs(self) -> Tensor: ...
    @property
    def source_lengths(self) -> Tensor: ...
    @property
    def target_in(self) -> Tensor: ...
    @property
    def targets(self) -> Tensor: ...
    @property
    def target_lengths(self) -> Tensor: ...
    @property
    def counted(self) -> Tensor: ...
    @property
    def copied(self) -> Tensor | None: ...


class ThroughPairs(nn.Module):
    """The loss of a batch of pairs, for the same training loop as windows through time.

    Args:
        model: offers `loss(source, source_lengths, target_in, targets, target_lengths)` ->
            (batch, target time), and takes `copied=` where the batches hold it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried."""
        return NoState()

    def forward(self, window: PairWindowLike, carried: Any) -> WindowLoss:
        """The counted losses of all pairs of `window`; `carried` is not read."""
        more = {} if window.copied is None else {"copied": window.copied}
        losses = self.model.loss(  # pyright: ignore[reportCallIssue]
            window.inputs,
            window.source_lengths,
            window.target_in,
            window.targets,
            window.target_lengths,
            **more,
        )
        counted = window.counted.to(losses.device, non_blocking=True)
        losses = torch.where(counted, losses, 0.0)
        return WindowLoss(losses.sum(), losses.detach(), 0, NoState())
