"""The gradients of single steps, kept on request as the backward pass comes by."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ostinato.errors import EngineError
from ostinato.state import rebuild, tensors


class StepGradients:
    """How a loss changes with what a cell hands on at each step; filled by the backward pass.

    `state`: dL/dH_t, and so for every part of the state after step t: the whole effect, through all
    later steps, the final state, and the step's own output (in an LSTM, dL/dC_t has the way through
    H_t in it). `projected`: dL/dP_t of P_t = project(X_t), the input's part of the preactivations;
    where the step adds it to the recurrent part, as in `RNN` and `LSTM`, that is the gradient by
    the preactivations, in the order of gates. Autograd's gradient by returned states is not that:
    it leaves out the way through later steps, which is inside the loop.

    One serves one call, and holds the gradients of the last backward pass through it; steps past a
    sample's length are zero. Gradients of the calls that torch itself watches or transforms
    (`torch.compile`, `torch.func`) cannot be watched.

    Example:
        >>> cell, watch = ostinato.GRUCell(3, 4), StepGradients()
        >>> outputs, *_ = ostinato.engine.unroll(cell, torch.randn(2, 5, 3), watch=watch)
        >>> outputs[:, -1].sum().backward()
        >>> watch.state.hidden.shape, watch.projected.shape
        (torch.Size([2, 5, 4]), torch.Size([2, 5, 12]))
    """

    def __init__(self) -> None:
        self._like: Any = None
        self._found: dict[int, Tensor] = {}
        self._shape: tuple[int, int] | None = None
        self._filled = False

    @property
    def state(self) -> Any:
        """As the cell's state, its tensors (batch, time, size)."""
        self._check_filled()
        count = len(tensors(self._like))
        return rebuild(self._like, [self._found[number] for number in range(1, 1 + count)])

    @property
    def projected(self) -> Tensor:
        """(batch, time, width) of what the cell's `project` returns."""
        self._check_filled()
        return self._found[0]

    def begin(self, like: Any, batch_size: int, time: int) -> "Watch":
        """Be the one of this call; `like` is a state.

        Raises:
            EngineError: it is the one of another call already, or torch transforms this call.
        """
        if self._shape is not None:
            raise EngineError("these StepGradients watch another call already; make new ones")
        if (
            torch.compiler.is_compiling()
            or torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]
        ):
            raise EngineError(
                "the gradients of single steps cannot be watched inside torch.compile, "
                "torch.export or torch.func; call the layer itself"
            )
        self._like, self._shape = like, (batch_size, time)
        return Watch(self)

    def reserve(self, part: int, like: Tensor, width: int) -> None:
        """Zeros for what no gradient may reach."""
        assert self._shape is not None
        if part not in self._found:
            self._found[part] = like.new_zeros(*self._shape, width)

    def put(self, part: int, samples: Any, steps: Any, gradient: Tensor) -> None:
        """Keep the gradient of these samples and steps; part 0 is `projected`, 1 ... the state."""
        self._filled = True
        self.reserve(part, gradient, gradient.shape[-1])
        self._found[part][samples, steps] = gradient.detach()

    def _check_filled(self) -> None:
        if not self._filled:
            raise EngineError(
                "no gradient has come by yet: give these StepGradients to a call, as watch=, and "
                "call loss.backward() first"
            )


@dataclass(frozen=True)
class Watch:
    """Where an engine leaves the gradients of the steps it runs.

    Args:
        gradients: of the whole call.
        start: which of its steps the engine's first one is.
        order: (batch, time), which step is read at which place, where the engine reads a batch put
            in another order; it is its own inverse.
    """

    gradients: StepGradients
    start: int = 0
    order: Tensor | None = None

    def at(self, start: int) -> "Watch":
        """For a segment that begins there."""
        return replace(self, start=start)

    def whole(self, part: int, gradient: Tensor) -> None:
        """Keep (batch, time, width) of all steps of the engine."""
        if self.order is not None:
            index = self.order.unsqueeze(2).expand_as(gradient)
            gradient = gradient.gather(1, index)
        steps = slice(self.start, self.start + gradient.shape[1])
        self.gradients.put(part, slice(None), steps, gradient)

    def one(self, part: int, place: int, gradient: Tensor) -> None:
        """Keep (batch, width) of the step read at this place."""
        if self.order is None:
            self.gradients.put(part, slice(None), self.start + place, gradient)
            return
        samples = torch.arange(gradient.shape[0], device=gradient.device)
        self.gradients.put(part, samples, self.start + self.order[:, place], gradient)

    def seen_whole(self, projected: Tensor, anchor: Tensor) -> Tensor:
        """The projected inputs themselves, their gradient kept when it comes by."""
        self.gradients.reserve(0, projected, projected.shape[2])
        return _Seen.apply(projected, anchor, lambda gradient: self.whole(0, gradient))  # pyright: ignore[reportReturnType]

    def seen_step(self, place: int, previous: Any, following: Any, anchor: Tensor) -> Any:
        """A step's next state itself, the gradient of every use of it kept likewise."""
        parts = []
        for number, part in enumerate(tensors(following), 1):
            self.gradients.reserve(number, part, part.shape[1])

            def keep(gradient: Tensor, number: int = number) -> None:
                self.one(number, place, gradient)

            if part.requires_grad and not any(part is each for each in tensors(previous)):
                part.register_hook(keep)
                parts.append(part)
            else:
                parts.append(_Seen.apply(part, anchor, keep))
        return rebuild(following, parts)


class _Seen(torch.autograd.Function):
    """A value as it is. `anchor` has a gradient, so that the value has one, whatever it is."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, anchor: Tensor, keep: Callable[[Tensor], None]) -> Tensor:
        ctx.keep = keep
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ctx.keep(gradient)
        return gradient, None, None
