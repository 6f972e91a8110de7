"""Stops a run within one update of the first NaN or infinity, and says where it came from."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ostinato.errors import TrainingError


def check_inputs(window: Any, update: int) -> None:
    """Raise TrainingError where floating inputs hold NaN or infinity."""
    inputs: Tensor = window.inputs
    if inputs.is_floating_point() and not bool(torch.isfinite(inputs).all()):
        bad = ~torch.isfinite(inputs).flatten(2).all(2)
        raise TrainingError(_message("an input", update, window, bad, 0))


def check_update(
    loss: float, norm: float, update: int, window: Any, losses: Iterable[tuple[int, Tensor]]
) -> None:
    """Raise TrainingError where loss or gradient is NaN or infinite.

    Args:
        loss, norm: of this update.
        update: its number, from 1.
        window: what it read.
        losses: for each slice of the batch, the step that its losses begin with, and the losses.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    row = 0
    for first_step, part in losses:
        bad = ~torch.isfinite(part)
        if bool(bad.any()):
            raise TrainingError(_message("the loss", update, window, bad, first_step, row))
        row += part.shape[0]
    raise TrainingError(
        f"update {update}: the gradient is not finite (norm {norm}) though the loss is "
        f"({loss:.4f} nats a unit), in {window.where}; {_ADVICE}"
    )


_ADVICE = (
    "training stopped before the weights were touched, and the last checkpoint is kept; "
    "try a lower learning rate or clip the gradient"
)


def _message(
    what: str, update: int, window: Any, bad: Tensor, first_step: int, first_row: int = 0
) -> str:
    row, step = bad.nonzero()[0].tolist()
    return (
        f"update {update}: {what} is not a finite number at sample {row + first_row}, step "
        f"{step + first_step} of the batch, in {window.where}; {_ADVICE}"
    )
