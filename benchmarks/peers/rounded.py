"""Our own engine with products in bfloat16, which no layer offers yet: from its inside."""

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ostinato.cells import Cell
from ostinato.engine.cache import CellView, kind_of, target_for
from ostinato.engine.compiled import _Compiled
from ostinato.engine.cpu.recurrence import CompiledRecurrence
from ostinato.engine.cpu.stepper import CompiledStepper
from ostinato.engine.kinds import Kind
from ostinato.engine.loop import Loop, Marks, loop_of
from ostinato.engine.trace import Form
from ostinato.state import tensors


class RoundedLoop(Loop):
    """The same loop, every factor of a product rounded to bfloat16."""

    @property
    def recurrence(self) -> Any:
        return _recurrence(self.kind)


@lru_cache
def _recurrence(kind: Kind) -> CompiledRecurrence:
    target = target_for(kind.dtype)
    return CompiledRecurrence(kind.stages.traced, target, backward=True, operand="bfloat16")


def rounded_training(cell: Cell, inputs: Tensor) -> Callable[[], Tensor]:
    """Forward and backward of one cell over inputs (batch, time, feature); the outputs."""
    kind = kind_of(CellView(cell), Form())
    marks = Marks(None, None, None, ())
    gradient = torch.randn(*inputs.shape[:2], cell.output_size)
    states = tensors(cell.initial_state(inputs.shape[0]))
    wanted = [inputs, *cell.parameters()]

    def work() -> Tensor:
        exact = loop_of(kind, inputs, marks, reverse=False, backward=True)
        loop = RoundedLoop(**{each.name: getattr(exact, each.name) for each in fields(exact)})
        outputs: Tensor = _Compiled.apply(loop, inputs, *states, *cell.parameters())[0]
        torch.autograd.grad(outputs, wanted, gradient)
        return outputs.detach()

    return work


class _RoundedStepper:
    def __init__(self, cell: Cell) -> None:
        view = CellView(cell)
        traced = kind_of(view, Form()).stages.traced
        self._inside = CompiledStepper(
            traced, view.target(), view.parameters, {}, 1, operand="bfloat16"
        )

    @property
    def state(self) -> Any:
        return (tuple(self._inside.state),)

    @state.setter
    def state(self, state: Any) -> None:
        self._inside.state = tensors(state)

    def __call__(self, step_input: Tensor) -> Tensor:
        self._inside.inputs.copy_(step_input)
        return self._inside.step()


def rounded_stepper(cell: Cell) -> _RoundedStepper:
    """One session of a one-layer stepper, its weights in bfloat16."""
    return _RoundedStepper(cell)
