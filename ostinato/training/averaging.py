"""Averaged weights with a non-monotone trigger (NT-ASGD; Merity 2017, algorithm 1)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Averaging:
    """The mean of the weights over all updates since the trigger.

    Averaging begins after a validation that is worse than the best of all but the last `patience`
    validations before it, as in the authors' code (their printed algorithm compares with the last
    n instead, which any noise would trigger). From then on evaluation uses the mean, and training
    goes on with the weights themselves.

    Args:
        model: whose parameters are averaged.
        patience: n of the paper (5 there).
    """

    def __init__(self, model: nn.Module, patience: int = 5) -> None:
        self.parameters = list(model.parameters())
        self.patience = patience
        self.history: list[float] = []
        self.updates = 0
        self.means: list[Tensor] | None = None

    def validated(self, loss: float) -> None:
        """Tell of a validation; it may start the averaging."""
        earlier = self.history[: -self.patience] if self.patience else self.history
        if self.means is None and earlier and loss > min(earlier):
            self.means = [parameter.detach().clone() for parameter in self.parameters]
            self.updates = 1
        self.history.append(loss)

    @torch.no_grad()
    def updated(self) -> None:
        """Tell of an update: the mean takes the new weights in."""
        if self.means is None:
            return
        self.updates += 1
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            mean.lerp_(parameter, 1 / self.updates)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While this lasts, the model's weights are the mean, where there is one."""
        if self.means is None:
            yield
            return
        own = [parameter.detach().clone() for parameter in self.parameters]
        _copy(self.parameters, self.means)
        try:
            yield
        finally:
            _copy(self.parameters, own)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint keeps: tensors, and the rest."""
        tensors = {str(index): mean for index, mean in enumerate(self.means or [])}
        return tensors, {"history": self.history, "updates": self.updates}

    def load(self, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
        """Go on from what `state()` gave."""
        self.history, self.updates = list(rest["history"]), rest["updates"]
        if tensors:
            self.means = [
                tensors[str(index)].to(parameter.device)
                for index, parameter in enumerate(self.parameters)
            ]


@torch.no_grad()
def _copy(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)
