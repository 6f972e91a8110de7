"""A layer prepared for streaming: many sessions step together, and their state stays inside."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.cells import Cell
from ostinato.engine import CellStepper, prepare_step
from ostinato.errors import ShapeError
from ostinato.layers.noise import draw_cell_noise
from ostinato.layers.options import LayerOptions
from ostinato.state import rebuild, reset, tensors


class Stepper:
    """Reads one step at a time, as `layer.step` in evaluation mode, at the least cost a step.

    The weights are taken as they are when it is made; make a new one after they changed. No
    gradient is kept. Made by `layer.stepper(batch_size)`.

    Args:
        cells: of a layer that reads one way.
        options: of that layer.
        batch_size: how many sessions step together.
        initial_state: the layer's, for the batch; what `reset` returns to.

    Example:
        >>> layer = ostinato.LSTM(3, 4).eval()
        >>> stepper = layer.stepper(batch_size=2)
        >>> stepper(torch.zeros(2, 3)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self, cells: Sequence[Cell], options: LayerOptions, batch_size: int, initial_state: Any
    ) -> None:
        self._initial = initial_state
        self._residual = options.residual
        self._steppers: list[CellStepper] = []
        for cell in cells:
            noise = draw_cell_noise(cell, options, batch_size, 1, training=False)
            prepared = prepare_step(
                cell, batch_size, noise, engine=options.engine, products=options.products
            )
            self._steppers.append(prepared)
        self._shape = self._steppers[0].inputs.shape
        self.state = initial_state

    @property
    def state(self) -> Any:
        """The state after the last step, a copy; assign one to go on from there."""
        parts = zip(self._initial, self._steppers, strict=True)
        return tuple(
            rebuild(like, [part.clone() for part in stepper.state]) for like, stepper in parts
        )

    @state.setter
    def state(self, state: Any) -> None:
        for own, stepper in zip(state, self._steppers, strict=True):
            shapes = [part.shape for part in stepper.state]
            given = [part.shape for part in tensors(own)]
            if given != shapes:
                raise ShapeError(
                    f"the state's parts must be {[tuple(shape) for shape in shapes]}, "
                    f"got {[tuple(shape) for shape in given]}"
                )
            with torch.no_grad():
                stepper.state = tensors(own)

    def reset(self, where: Tensor) -> None:
        """Start the sessions afresh where `where` (booleans (batch,)) is True."""
        self.state = reset(self.state, where, self._initial)

    def __call__(self, step_input: Tensor) -> Tensor:
        """One step.

        Args:
            step_input: (batch, input_size).

        Returns:
            The layer's output (batch, output_size). The memory is used again two steps on: clone
            what must be kept longer.
        """
        if step_input.shape != self._shape:
            raise ShapeError(
                f"step_input must be (batch, feature) = {tuple(self._shape)}, "
                f"got {tuple(step_input.shape)}"
            )
        if not torch.is_grad_enabled():  # Asking costs less than switching.
            return self._step(step_input)
        with torch.no_grad():
            return self._step(step_input)

    def _step(self, values: Tensor) -> Tensor:
        for depth, stepper in enumerate(self._steppers):
            stepper.inputs.copy_(values)
            output = stepper.step()
            values = output + values if self._residual and depth > 0 else output
        return values
