"""Truncated backpropagation through time (Williams and Peng 1990; Werbos 1990).

A window reads the steps [start, stop) from the detached state that was stored before its first
step, and counts the losses of its last steps alone. Where the next window starts inside this one,
its starting state is taken in passing, detached, while the gradient of this window flows on
through the same step.
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ostinato.state import detach


class ModelThroughTime(Protocol):
    """What can be trained through time: the one contract, and a loss."""

    def initial_state(self, batch_size: int) -> Any: ...

    def __call__(
        self, inputs: Tensor, state: Any, *, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]: ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor: ...


class WindowLike(Protocol):
    """What the training loop reads of a window; see `ostinato.data.Window`."""

    @property
    def inputs(self) -> Tensor: ...
    @property
    def targets(self) -> Tensor: ...
    @property
    def counted(self) -> Tensor: ...
    @property
    def resets(self) -> Tensor | None: ...
    @property
    def advance(self) -> int: ...
    @property
    def fresh(self) -> bool: ...
    @property
    def where(self) -> str: ...
    @property
    def units(self) -> int: ...


class WindowLoss(NamedTuple):
    """What a window gives.

    `total` is the sum of the counted losses (a scalar with gradient), `losses` (batch, counted
    steps) each of them, detached, zero where they do not count; `first_step` is the step of the
    window that `losses` begins with; `carried` is the state, detached, that the next window
    starts from.
    """

    total: Tensor
    losses: Tensor
    first_step: int
    carried: Any


class ThroughTime(nn.Module):
    """The loss of a window, and the state handed to the next.

    Where the next window starts inside this one (b > u) the model runs twice, before and after
    that step, and masks that a call draws once for all its steps (recurrent or locked dropout) are
    drawn anew for the second.

    Args:
        model: offers `initial_state`, `forward(inputs, state, resets=)` and
            `loss(outputs, targets)` -> (batch, time).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> Any:
        return self.model.initial_state(batch_size)  # pyright: ignore[reportCallIssue]

    def forward(self, window: WindowLike, carried: Any) -> WindowLoss:
        """The counted losses of `window`, started from `carried`; None: the initial state."""
        state = self.initial_state(window.inputs.shape[0]) if carried is None else carried
        outputs, following = self._read(window, state)
        first = first_counted(window.counted)
        losses = self.model.loss(outputs[:, first:], window.targets[:, first:])  # pyright: ignore[reportCallIssue]
        counted = window.counted[:, first:].to(losses.device, non_blocking=True)
        losses = torch.where(counted, losses, 0.0)
        return WindowLoss(losses.sum(), losses.detach(), first, following)

    def _read(self, window: WindowLike, state: Any) -> tuple[Tensor, Any]:
        """All outputs of the window, and the detached state after its first `advance` steps."""
        time = window.inputs.shape[1]
        if window.advance == 0:
            outputs, _ = self._run(window, state, 0, time)
            return outputs, detach(state)
        before, following = self._run(window, state, 0, window.advance)
        if window.advance == time:
            return before, detach(following)
        after, _ = self._run(window, following, window.advance, time)
        return torch.cat([before, after], 1), detach(following)

    def _run(self, window: WindowLike, state: Any, start: int, stop: int) -> tuple[Tensor, Any]:
        resets = None if window.resets is None else window.resets[:, start:stop]
        return self.model(window.inputs[:, start:stop], state, resets=resets)


def first_counted(counted: Tensor) -> int:
    """The first step at which any sample counts: what lies before needs no loss."""
    columns = counted.any(0).nonzero()
    return int(columns[0]) if columns.numel() else counted.shape[1]
