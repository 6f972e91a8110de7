"""Stops a run within one update of the first NaN or infinity, and says where it came from."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.errors import TrainingError

WHAT_HELPS = "try a smaller learning rate, or clip the gradient (clip_norm)"


def find_bad_input(window: Any, update: int) -> str | None:
    """What to say where floating inputs hold NaN or infinity; None where all is well."""
    inputs: Tensor = window.inputs
    if not inputs.is_floating_point() or bool(torch.isfinite(inputs).all()):
        return None
    bad = ~torch.isfinite(inputs).flatten(2).all(2)
    return _message("an input", update, window, bad, 0)


def find_bad_update(
    figures: tuple[float, float],
    update: int,
    window: Any,
    losses: Iterable[tuple[int, Tensor]],
    model: nn.Module,
) -> str | None:
    """What to say where the loss or the gradient is NaN or infinite; None where nothing is known.

    Args:
        figures: the loss and the gradient's norm.
        update: its number, from 1.
        window: what it read.
        losses: for each slice of the batch, the step that its losses begin with, and the losses.
        model: holds the gradient.
    """
    loss, norm = figures
    row = 0
    for first_step, part in losses:
        bad = ~torch.isfinite(part)
        if bool(bad.any()):
            return _message("the loss", update, window, bad, first_step, row)
        row += part.shape[0]
    if not math.isfinite(loss):
        return None
    return (
        f"update {update}: the gradient of {_first_bad_gradient(model)} is not finite (norm "
        f"{norm}) though the loss is ({loss:.4f} nats a unit), in {window.where}; {_ADVICE}"
    )


def find_bad_validation(figures: Mapping[str, Any], update: int) -> str | None:
    """What to say where a figure of a validation is NaN or infinite; None where all are finite."""
    for name, figure in figures.items():
        if isinstance(figure, float) and not math.isfinite(figure):
            return (
                f"update {update}: training diverged: the validation after it gives {name} "
                f"{figure}, at {figures['nats_per_unit']:.3g} nats a unit; {_KEPT}; {WHAT_HELPS}"
            )
    return None


def check_weights(model: nn.Module, update: int) -> None:
    """Raise TrainingError where a weight is NaN or infinite, before that becomes a checkpoint."""
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise TrainingError(
                f"update {update}: training diverged: the weights {name} are no longer finite "
                f"after it; {_KEPT}; {WHAT_HELPS}"
            )


_KEPT = "training stopped, and the checkpoint before it, if there was one, is kept"
_ADVICE = (
    "training stopped before the weights were touched, and the last checkpoint is kept; "
    f"{WHAT_HELPS}"
)


def _message(
    what: str, update: int, window: Any, bad: Tensor, first_step: int, first_row: int = 0
) -> str:
    row, step = bad.nonzero()[0].tolist()
    return (
        f"update {update}: {what} is not a finite number at sample {row + first_row}, step "
        f"{step + first_step} of the batch, in {window.where}; {_ADVICE}"
    )


def _first_bad_gradient(model: nn.Module) -> str:
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return name
    return "all parameters together"
