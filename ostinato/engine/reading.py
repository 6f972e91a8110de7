"""How a batch of sequences is read, what disturbs it, and what comes out: the engines' words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ostinato.errors import ShapeError
from ostinato.state import map_state, tensors


class Steps(Protocol):
    """What an engine needs of a cell: sizes, the input's projection and one step."""

    input_size: int
    output_size: int
    state_sizes: Any

    def initial_state(self, batch_size: int) -> Any: ...

    def project(self, inputs: Tensor) -> Tensor: ...

    def step(self, projected: Tensor, hidden: Any, state: Any) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True)
class Reading:
    """Where sequences begin and end, and which way they are read.

    Args:
        lengths: integers (batch,), the real steps of each sample; None: all steps are real.
            Past them outputs are zero, resets are ignored and the state stays.
        resets: booleans (batch, time), True is a boundary between step t - 1 and step t. Read
            forward, the state is replaced by `initial_state` before step t; read backward, after
            step t and before t - 1. None: no boundary.
        initial_state: what a reset returns to, as the cell's state; None: the cell's own.
        reverse: read each sample from its own last step to its first.
    """

    lengths: Tensor | None = None
    resets: Tensor | None = None
    initial_state: Any = None
    reverse: bool = False

    def check(self, batch_size: int, time: int) -> None:
        """Raise ShapeError unless lengths and resets fit inputs (batch_size, time, ...)."""
        if self.lengths is not None:
            _check_lengths(self.lengths, batch_size, time)
        if self.resets is not None:
            _check_resets(self.resets, batch_size, time)


@dataclass(frozen=True)
class Noise:
    """The masks of one call, drawn before the loop, so that every engine applies the same ones.

    Args:
        hidden: (batch, hidden), multiplies the hidden state where the recurrent product reads it:
            recurrent dropout with one mask for all steps (Gal 2016). None: none.
        keep: a state of (batch, time, size) tensors, in the order the steps are read: the share of
            the previous state that stays (zoneout, Krueger 2017): 0 or 1 in training, the
            rate itself in evaluation. None: none.
        weights: tensors that stand for the cell's parameters of these names (weight drop).
    """

    hidden: Tensor | None = None
    keep: Any = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    def check(self, batch_size: int, time: int, sizes: Sequence[int]) -> None:
        """Raise ShapeError unless the masks fit inputs (batch_size, time, ...) and these states.

        An axis of one number serves for all; zoneout may be drawn for more steps than there are.
        """
        if self.hidden is not None:
            _check_mask("hidden", self.hidden, (batch_size, sizes[0]))
        for size, part in zip(sizes, () if self.keep is None else tensors(self.keep), strict=False):
            _check_mask("keep", part[:, :time], (batch_size, time, size))

    def window(self, start: int, stop: int) -> "Noise":
        """The masks of the steps from `start` up to, not including, `stop`."""
        if self.keep is None:
            return self
        return replace(self, keep=map_state(lambda keep: keep[:, start:stop], self.keep))


class Unrolled(NamedTuple):
    """What unrolling a cell gives.

    `outputs` (batch, time, output); `state`, the state after each sample's own last step read;
    `states`, on request the state after every step, its tensors (batch, time, size), else None.
    """

    outputs: Tensor
    state: Any
    states: Any


def _check_mask(name: str, mask: Tensor, shape: tuple[int, ...]) -> None:
    if mask.dim() != len(shape) or any(
        given not in (1, wanted) for given, wanted in zip(mask.shape, shape, strict=True)
    ):
        raise ShapeError(
            f"the noise's {name} must be {shape} for these inputs, or 1 on an axis where it is the "
            f"same for all, got {tuple(mask.shape)}"
        )


def active_steps(lengths: Tensor, time: int) -> Tensor:
    """Booleans (batch, time): True on the real steps of each sample."""
    return torch.arange(time, device=lengths.device) < lengths.unsqueeze(1)


def _check_lengths(lengths: Tensor, batch_size: int, time: int) -> None:
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ShapeError(f"lengths must be integers, got {lengths.dtype}")
    if lengths.shape != (batch_size,):
        raise ShapeError(
            f"lengths must have one entry for each of the {batch_size} samples, "
            f"got shape {tuple(lengths.shape)}"
        )
    if batch_size and _has_values() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= time:
        raise ShapeError(
            f"lengths must lie between 0 and the {time} steps of the inputs, "
            f"got {int(lengths.min())} to {int(lengths.max())}"
        )


def _has_values() -> bool:
    """Whether tensors can be looked into here; traced ones cannot."""
    return not (
        torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]
    )


def _check_resets(resets: Tensor, batch_size: int, time: int) -> None:
    if resets.dtype != torch.bool:
        raise ShapeError(f"resets must be booleans (True: start afresh), got {resets.dtype}")
    if resets.shape != (batch_size, time):
        raise ShapeError(
            f"resets must be (batch, time) = ({batch_size}, {time}), got {tuple(resets.shape)}"
        )
