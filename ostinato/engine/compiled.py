"""The compiled engine: a cell's step, traced once, runs as machine code over all time steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ostinato.engine.cache import CellView, recurrence_of, stages_of
from ostinato.engine.program import CannotCompileError
from ostinato.engine.reading import Noise, Reading, Steps, Unrolled, active_steps
from ostinato.engine.trace import Form
from ostinato.state import rebuild, tensors


class CompiledCall:
    """One call as the compiled engine would run it.

    Args:
        cell, reading, noise, all_states: as `unroll` takes them.
        inputs: (batch, time, feature); None: whatever the cell expects.
    """

    def __init__(
        self,
        cell: Steps,
        inputs: Tensor | None,
        reading: Reading,
        noise: Noise,
        *,
        all_states: bool,
    ) -> None:
        self.view = CellView(cell)
        self.inputs = inputs
        self.reading = reading
        self.noise = noise
        self.form = form_of(reading, noise, all_states=all_states)

    def obstacle(self) -> str | None:
        """Why this call cannot run compiled, or None where it can."""
        try:
            obstacle = _obstacle_of(self.inputs, self.view.dtype)
            if obstacle is None:
                stages_of(self.view, self.form)
        except CannotCompileError as problem:
            return str(problem)
        return obstacle

    def run(self, state: Any) -> Unrolled:
        """Run the loop from this state, in the direction of the reading."""
        inputs, form = self.inputs, self.form
        assert inputs is not None
        parameters = self.view.parameters | dict(self.noise.weights)
        initial = tensors(self.reading.initial_state) if form.resets else []
        given = [inputs, *tensors(state), *initial, *parameters.values()]
        backward = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
        loop = _Loop(
            self.view.cell,
            recurrence_of(self.view, form, backward=backward),
            self.reading,
            self.noise,
            form,
            tuple(parameters),
            _layout(inputs, self.reading),
        )
        results = _Compiled.apply(loop, *given) if backward else loop.results(loop.forward(given))
        return loop.unrolled(cast(Sequence[Tensor], results), state)

    def stepper(self, samples: int) -> Any:
        """The cell prepared to run one step after the other for this many samples."""
        from ostinato.engine.cpu.stepper import CompiledStepper

        always = self.form.kept == "always"
        given = {
            f"K{number}": (part[0, 0] if always else part[:, 0]).contiguous()
            for number, part in enumerate(tensors(self.noise.keep) if self.form.kept else [])
        }
        parameters = self.view.parameters | dict(self.noise.weights)
        traced = stages_of(self.view, self.form).traced
        return CompiledStepper(traced, self.view.target(), parameters, given, samples)


def _obstacle_of(inputs: Tensor | None, kind: torch.dtype) -> str | None:
    if inputs is None:
        return None
    if inputs.device.type != "cpu":
        return f"there is no compiled engine for {inputs.device.type} yet"
    if inputs.dtype != kind:
        return f"the inputs are {inputs.dtype} and the cell's parameters {kind}"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on, and the compiled engine computes in the parameters' own precision"
    if torch.compiler.is_compiling():
        return "torch.compile is tracing, and takes torch's own operations only"
    if torch._C._functorch.peek_interpreter_stack() is not None:  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        return "a transform of torch.func is at work, which needs torch's own operations"
    return None


def form_of(reading: Reading, noise: Noise, *, all_states: bool) -> Form:
    """What a call traces its step with."""
    learned = reading.resets is not None and any(
        part.requires_grad for part in tensors(reading.initial_state)
    )
    kept = None
    if noise.keep is not None:
        kept = "always" if all(map(_is_one_rate, tensors(noise.keep))) else "steps"
    return Form(reading.resets is not None, learned, noise.hidden is not None, kept, all_states)


def _is_one_rate(keep: Tensor) -> bool:
    """Whether (batch, time, size) holds the same for all samples and steps, and shows it."""
    samples, steps = keep.shape[:2]
    repeated = [
        size <= 1 or stride == 0 for size, stride in zip(keep.shape, keep.stride(), strict=True)
    ]
    return samples > 0 and steps > 0 and all(repeated[:2]) and keep.stride(2) == 0


@dataclass(frozen=True)
class _Loop:
    """The loop of one call, without its differentiable tensors.

    Those come as one flat list: inputs, the states, what resets return to, the parameters.
    """

    cell: Steps
    recurrence: Any
    reading: Reading
    noise: Noise
    form: Form
    names: tuple[str, ...]
    layout: Any

    @property
    def count(self) -> int:
        return len(self.cell.state_sizes)

    def split(self, flat: Sequence[Any]) -> tuple[Any, Sequence[Any], Sequence[Any], Sequence[Any]]:
        count = self.count
        second = 1 + count + (count if self.form.resets else 0)
        return flat[0], flat[1 : 1 + count], flat[1 + count : second], flat[second:]

    def parameters(self, flat: Sequence[Tensor]) -> dict[str, Tensor]:
        own = (tensor.detach().contiguous() for tensor in self.split(flat)[3])
        return dict(zip(self.names, own, strict=True))

    def forward(self, flat: Sequence[Tensor]) -> Any:
        """The memory of the loop, after it."""
        layout = self.layout
        inputs, states, initials, _ = self.split([tensor.detach() for tensor in flat])
        return self.recurrence.forward(
            layout,
            layout.gather(inputs),
            [layout.arrange(part) for part in states],
            self.parameters(flat),
            self._given(inputs, initials),
        )

    def _given(self, inputs: Tensor, initials: Sequence[Tensor]) -> dict[str, Tensor]:
        """The buffers of resets and masks."""
        layout, given = self.layout, {}
        if self.form.resets:
            resets = cast(Tensor, self.reading.resets)
            given["R"] = layout.gather_resets(resets).to(inputs.dtype)
            for number, part in enumerate(initials):
                given[f"I{number}"] = layout.arrange(part.to(inputs.dtype))
        if self.noise.hidden is not None:
            given["M"] = layout.arrange(self.noise.hidden)
        for number, part in enumerate(tensors(self.noise.keep) if self.form.kept else []):
            if self.form.kept == "always":
                given[f"K{number}"] = part[0, 0].contiguous()
            else:
                given[f"K{number}"] = layout.gather_in_reading_order(part)
        return given

    def results(self, memory: Any) -> tuple[Tensor, ...]:
        """Outputs, the final states and, if asked for, the states of all steps."""
        layout = self.layout
        output = layout.scatter(self.recurrence.output(layout, memory))
        states = [memory[f"S{number}"] for number in range(self.count)]
        final = [layout.final(part) for part in states]
        every = states if self.form.all_states else []
        return (output, *final, *(layout.scatter(part[layout.rows_after]) for part in every))

    def backward(
        self, memory: Any, flat: Sequence[Tensor], gradients: Sequence[Tensor | None]
    ) -> list[Tensor | None]:
        """The gradients of the flat list."""
        layout, count = self.layout, self.count
        filled = [
            torch.zeros_like(like) if gradient is None else gradient
            for gradient, like in zip(gradients, self.results(memory), strict=True)
        ]
        incoming = {
            f"G{number}": layout.gather(gradient)
            for number, gradient in enumerate(filled[1 + count :])
        }
        found = self.recurrence.backward(
            layout,
            memory,
            self.parameters(flat),
            layout.gather(filled[0]),
            [layout.arrange(gradient) for gradient in filled[1 : 1 + count]],
            incoming,
        )
        inputs = None if found.inputs is None else layout.scatter(found.inputs)
        states = [layout.restore(gradient) for gradient in found.states]
        initials: list[Tensor | None] = [layout.restore(gradient) for gradient in found.initials]
        if self.form.resets and not initials:
            initials = [None] * count
        return [inputs, *states, *initials, *(found.parameters.get(name) for name in self.names)]

    def reference(self, flat: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The same by the reference loop, differentiable as often as one likes."""
        from ostinato.engine.unroll import unroll

        inputs, states, initials, parameters = self.split(flat)
        like = self.cell.state_sizes
        reading = self.reading
        if self.form.resets:
            reading = Reading(
                reading.lengths, reading.resets, rebuild(like, initials), reading.reverse
            )
        weights = dict(zip(self.names, parameters, strict=True))
        noise = Noise(self.noise.hidden, self.noise.keep, weights)
        unrolled = unroll(
            self.cell,
            inputs,
            rebuild(like, states),
            reading,
            noise,
            engine="reference",
            all_states=self.form.all_states,
        )
        every = tensors(unrolled.states) if self.form.all_states else []
        return (unrolled.outputs, *tensors(unrolled.state), *every)

    def unrolled(self, results: Sequence[Tensor], state: Any) -> Unrolled:
        count = self.count
        outputs, final, every = results[0], results[1 : 1 + count], results[1 + count :]
        if every and self.reading.lengths is not None:
            active = active_steps(self.reading.lengths, outputs.shape[1]).unsqueeze(2)
            every = [
                torch.where(active, part, last.unsqueeze(1))
                for part, last in zip(every, final, strict=True)
            ]
        states = rebuild(state, every) if every else None
        return Unrolled(outputs, rebuild(state, final), states)


class _Compiled(torch.autograd.Function):
    """A call of the compiled loop in autograd's graph.

    The memory of the forward pass is used up by the backward pass. Where the graph is kept and gone
    through again, the forward pass runs again. A second derivative goes through the reference.
    """

    @staticmethod
    def forward(ctx: Any, loop: _Loop, *flat: Tensor) -> tuple[Tensor, ...]:
        memory = loop.forward(flat)
        ctx.loop, ctx.memory = loop, memory
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*flat)
        results = loop.results(memory)
        ctx.versions = {name: tensor._version for name, tensor in memory.items()}
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        loop, flat = ctx.loop, ctx.saved_tensors
        if torch.is_grad_enabled():
            return (None, *_twice_differentiable(loop, flat, gradients))
        memory, ctx.memory = ctx.memory, None
        if memory is None:
            memory = loop.forward(flat)
        elif any(memory[name]._version != version for name, version in ctx.versions.items()):
            raise RuntimeError(
                "an output of a recurrent layer was changed in place after the layer returned it, "
                "and the gradient needs it as it was: clone it before changing it"
            )
        found = loop.backward(memory, flat, gradients)
        wanted = ctx.needs_input_grad[1:]
        return (None, *(g if want else None for g, want in zip(found, wanted, strict=True)))


def _twice_differentiable(
    loop: _Loop, flat: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    outputs = loop.reference(flat)
    pairs = [
        (output, gradient)
        for output, gradient in zip(outputs, gradients, strict=True)
        if gradient is not None and output.requires_grad
    ]
    wanted = [tensor for tensor in flat if tensor.requires_grad]
    found = iter(
        torch.autograd.grad(
            [output for output, _ in pairs],
            wanted,
            [gradient for _, gradient in pairs],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if tensor.requires_grad else None for tensor in flat]


def _layout(inputs: Tensor, reading: Reading) -> Any:
    from ostinato.engine.cpu.layout import even_layout, uneven_layout

    samples, time = inputs.shape[:2]
    threads = torch.get_num_threads()
    if reading.lengths is None:
        return even_layout(samples, time, threads, reverse=reading.reverse)
    lengths = reading.lengths.to(device="cpu", dtype=torch.int64)
    return uneven_layout(lengths, time, threads, reverse=reading.reverse)
