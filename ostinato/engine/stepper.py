"""A cell prepared for streaming: one step at a time, for the same sessions, its state inside."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ostinato.engine.compiled import CompiledCall
from ostinato.engine.precision import Products, computing_products, refuse_other_kinds
from ostinato.engine.reading import Noise, Reading, Steps
from ostinato.engine.reference import noisy_step, weights_replaced
from ostinato.state import rebuild, tensors


class CellStepper(Protocol):
    """`inputs` (samples, width) is where a step's input must stand; `state`, the state's parts."""

    inputs: Tensor

    @property
    def state(self) -> Sequence[Tensor]: ...

    @state.setter
    def state(self, parts: Sequence[Tensor]) -> None: ...

    def step(self) -> Tensor: ...


def prepare_step(
    cell: Steps,
    samples: int,
    noise: Noise,
    *,
    engine: str | None,
    products: Products | None = None,
) -> CellStepper:
    """A cell that steps on and on without gradients: compiled where that can be, else as it is.

    Args:
        cell: with its weights as they are now.
        samples: how many sessions step together.
        noise: masks of one step (batch or 1, 1, size), the same at every step.
        engine: "reference" to step in plain PyTorch; None or any other: compiled where possible.
        products: "bfloat16" keeps the weights in it, in half the memory, as `unroll` computes;
            None: as autocast says where this is called.

    Raises:
        EngineError: `products` is given and the cell's parameters are not float32.
    """
    if products is not None:
        refuse_other_kinds(cell, products)
    call = CompiledCall(cell, None, Reading(), noise, all_states=False, products=products)
    parameters = list(call.view.parameters.values())
    on_cpu = all(tensor.device.type == "cpu" for tensor in parameters)
    plain = engine == "reference" or not on_cpu or not cell.state_sizes
    if plain or call.obstacle() is not None:
        like = parameters[0] if parameters else torch.empty(())
        inputs = like.detach().new_zeros(samples, cell.input_size)
        return _PlainStepper(cell, inputs, noise, products)
    return call.stepper(samples)


class _PlainStepper:
    """The same in plain PyTorch."""

    def __init__(
        self, cell: Steps, inputs: Tensor, noise: Noise, products: Products | None
    ) -> None:
        self._cell = cell
        self._products: Products | None = products
        self._noise = noise
        self._state = cell.initial_state(inputs.shape[0])
        self.inputs = inputs

    @property
    def state(self) -> Sequence[Tensor]:
        return tensors(self._state)

    @state.setter
    def state(self, parts: Sequence[Tensor]) -> None:
        self._state = rebuild(self._state, [part.detach().clone() for part in parts])

    @torch.no_grad()
    def step(self) -> Tensor:
        device = self.inputs.device.type
        with weights_replaced(self._cell, self._noise), computing_products(self._products, device):
            projected: Any = self._cell.project(self.inputs)
            output, self._state = noisy_step(self._cell, projected, self._state, self._noise)
        return output
