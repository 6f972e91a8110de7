"""What attention is given once a sentence, and what one look gives back."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.engine.reading import active_steps
from ostinato.errors import ShapeError


class Prepared(NamedTuple):
    """A source made ready to be attended to, once; no state: a beam never reorders it.

    Attributes:
        keys: (batch, source time, size), as the score function reads them.
        values: (batch, source time, value size), zero where `mask` is False.
        mask: booleans (batch, source time), True = use.
        lengths: integers (batch,), the real positions of each sample.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor
    lengths: Tensor


class HardChoice(NamedTuple):
    """What hard attention chose: the logarithm of its probability, and the entropy, in nats.

    Each has the axes of the query but its last.
    """

    log_probability: Tensor
    entropy: Tensor


class Attended(NamedTuple):
    """What a query found.

    Attributes:
        context: (..., value size), the weighted sum of the values.
        weights: (..., source time), or None where they were not asked for.
        choice: of hard attention; None where attention is soft.
    """

    context: Tensor
    weights: Any
    choice: Any


def usable_positions(keys: Tensor, lengths: Tensor | None, mask: Tensor | None) -> Tensor:
    """Booleans (batch, time): what lies within `lengths` and is True in `mask`.

    Args:
        keys: (batch, time, size).
        lengths: integers (batch,); None: all positions are real.
        mask: booleans (batch, time), True = use; None: all.

    Raises:
        ShapeError: a mask or lengths that do not fit the keys.
    """
    batch_size, time = keys.shape[:2]
    if lengths is not None:
        _check_lengths(lengths, batch_size)
    if mask is not None and (mask.dtype != torch.bool or mask.shape != (batch_size, time)):
        raise ShapeError(
            f"mask must be booleans (batch, time) = ({batch_size}, {time}), True = use, "
            f"got {mask.dtype} {tuple(mask.shape)}"
        )
    real = torch.ones(batch_size, time, dtype=torch.bool, device=keys.device)
    if lengths is not None:
        real = active_steps(lengths.to(keys.device), time)
    return real if mask is None else real & mask


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """The softmax over the last axis of what `mask` (True = use) lets through; else zeros.

    Where nothing is let through all weights are zero, and so are their gradients.

    Example:
        >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]))
        tensor([[1., 0.],
                [0., 0.]])
    """
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(torch.where(mask, scores, lowest), -1) * mask


def _check_lengths(lengths: Tensor, batch_size: int) -> None:
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ShapeError(f"lengths must be integers, got {lengths.dtype}")
    if lengths.shape != (batch_size,):
        raise ShapeError(
            f"lengths must have one entry for each of the {batch_size} samples, "
            f"got shape {tuple(lengths.shape)}"
        )
