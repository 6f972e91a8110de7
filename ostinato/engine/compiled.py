"""The compiled engine: a cell's step, traced once, runs as machine code over all time steps.

A plain call runs the loop in an `autograd.Function`, which may write over its memory. Where torch
itself watches or transforms the call (`torch.compile`, `torch.export`, `torch.func`, saved-tensor
hooks), the same loop runs as an operator that torch knows; see `operator`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ostinato.engine.cache import (
    CellView,
    emission_problem,
    key_while_tracing,
    kind_of,
    machine_obstacle,
    problem_while_tracing,
    stages_of,
)
from ostinato.engine.kinds import Kind
from ostinato.engine.loop import Loop, Marks, loop_of, reference_results
from ostinato.engine.mapped_gradients import is_mapped, mapped_gradients
from ostinato.engine.operator import FORWARD
from ostinato.engine.precision import Products
from ostinato.engine.program import CannotCompileError
from ostinato.engine.reading import Noise, Reading, Steps, Unrolled, active_steps
from ostinato.engine.trace import Form
from ostinato.engine.watch import Watch
from ostinato.errors import EngineError
from ostinato.state import rebuild, tensors

_C: Any = torch._C


class CompiledCall:
    """One call as the compiled engine would run it.

    Under autocast to bfloat16 the factors of products are rounded to it and added up in float32,
    unless `products` says otherwise. Everything else is computed in the parameters' own precision,
    as recurrences lose too much in a lower one: inputs are cast up, outputs to the lower precision
    (as torch's LSTM has it), and the state stays as it is.

    Args:
        cell, reading, noise, all_states, products, recompute: as `unroll` takes them.
        inputs: (batch, time, feature); None: whatever the cell expects.
        watch: where the gradients of single steps go; None: nowhere.
    """

    def __init__(
        self,
        cell: Steps,
        inputs: Tensor | None,
        reading: Reading,
        noise: Noise,
        *,
        all_states: bool,
        products: Products | None = None,
        recompute: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.view = CellView(cell)
        self.inputs = inputs
        self.reading = reading
        self.noise = noise
        self.watch = watch
        self.plain = is_plain_call()
        self.form = form_of(
            reading,
            noise,
            all_states=all_states,
            plain=self.plain,
            rounded=self.view.rounds_products(products),
            recompute=recompute,
            watched=watch is not None,
        )
        self._kind: Kind | None = None

    def obstacle(self) -> str | None:
        """Why this call cannot run compiled, or None where it can."""
        if self.watch is not None and not self.plain:
            return "torch takes hold of what the loop saves, and its single steps are watched"
        try:
            obstacle = _obstacle_of(self.inputs, self.noise, self.view)
            if obstacle is None and torch.compiler.is_compiling():
                view = self.view
                return problem_while_tracing(view.cell, view.likeness, *self.form) or None
            if obstacle is None:
                self._kind = kind_of(self.view, self.form)
                obstacle = emission_problem(self._kind)
        except CannotCompileError as problem:
            return str(problem)
        return obstacle

    def run(self, state: Any) -> Unrolled:
        """Run the loop from this state, in the direction of the reading."""
        if not torch.is_autocast_enabled("cpu"):
            return self._run(state)
        with torch.autocast("cpu", enabled=False):
            found = self._run(state)
        if found.outputs.dtype != torch.float32:
            return found
        return found._replace(outputs=found.outputs.to(torch.get_autocast_dtype("cpu")))

    def _run(self, state: Any) -> Unrolled:
        given = self.given(state)
        if self.runs_plainly(given):
            results = self._run_plainly(given)
        else:
            marks = self._marks()
            flat = [marks.lengths, marks.resets, marks.hidden, *marks.keep]
            results = FORWARD(given, flat, self._key(), self.reading.reverse, False)
        return self.unrolled(results, state)

    def given(self, state: Any) -> list[Tensor]:
        """The differentiable tensors of the call, as `Loop` takes them."""
        assert self.inputs is not None
        dtype = self.view.dtype
        initial = tensors(self.reading.initial_state) if self.form.resets else []
        parameters = (self.view.parameters | dict(self.noise.weights)).values()
        own = [self.inputs, *tensors(state), *initial]
        return [*(part if part.dtype == dtype else part.to(dtype) for part in own), *parameters]

    def runs_plainly(self, given: Sequence[Tensor]) -> bool:
        """Whether the loop may run in an `autograd.Function`, and not as torch's operator."""
        return self.plain and all(type(part) in _PLAIN for part in given)

    def _run_plainly(self, given: Sequence[Tensor]) -> Sequence[Tensor]:
        backward = needs_gradient(given)
        loop = self.loop(given, backward=backward)
        if backward:
            return _Compiled.apply(loop, *given)  # pyright: ignore[reportReturnType]
        return loop.results(loop.run(given))

    def loop(self, given: Sequence[Tensor], *, backward: bool, threads: int | None = None) -> Loop:
        """The loop of this call, on so many threads (None: on all)."""
        return loop_of(
            self._known_kind(),
            given[0],
            self._marks(),
            reverse=self.reading.reverse,
            backward=backward,
            watch=self.watch,
            threads=threads,
        )

    def _key(self) -> str:
        if torch.compiler.is_compiling():
            return key_while_tracing(self.view.cell, self.view.likeness, *self.form)
        return self._known_kind().key

    def _known_kind(self) -> Kind:
        return self._kind or kind_of(self.view, self.form)

    def _marks(self) -> Marks:
        reading, noise = self.reading, self.noise
        parts = tensors(noise.keep) if self.form.kept else []
        keep = tuple(part[0, 0] if self.form.kept == "always" else part for part in parts)
        return Marks(reading.lengths, reading.resets, noise.hidden, keep)

    def unrolled(self, results: Sequence[Tensor], state: Any) -> Unrolled:
        """What the loop found, as people hold it."""
        count = len(tensors(state))
        outputs, final, every = results[0], results[1 : 1 + count], results[1 + count :]
        if every and self.reading.lengths is not None:
            active = active_steps(self.reading.lengths, outputs.shape[1]).unsqueeze(2)
            every = [
                torch.where(active, part, last.unsqueeze(1))
                for part, last in zip(every, final, strict=True)
            ]
        states = rebuild(state, every) if every else None
        return Unrolled(outputs, rebuild(state, final), states)

    def stepper(self, samples: int) -> Any:
        """The cell prepared to run one step after the other for this many samples."""
        from ostinato.engine.cpu.stepper import CompiledStepper

        always = self.form.kept == "always"
        given = {
            f"K{number}": (part[0, 0] if always else part[:, 0].expand(samples, -1)).contiguous()
            for number, part in enumerate(tensors(self.noise.keep) if self.form.kept else [])
        }
        if self.noise.hidden is not None:
            width: Any = self.view.cell.state_sizes[0]
            given["M"] = self.noise.hidden.to(self.view.dtype).expand(samples, width).contiguous()
        parameters = self.view.parameters | dict(self.noise.weights)
        traced = stages_of(self.view, self.form).traced
        operand = "bfloat16" if self.form.rounded else "same"
        return CompiledStepper(traced, self.view.target(), parameters, given, samples, operand)


def needs_gradient(given: Sequence[Tensor]) -> bool:
    """Whether a backward pass may come."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)


def is_plain_call() -> bool:
    """Whether nothing of torch's but autograd itself has a part in this call."""
    return not (
        torch.compiler.is_compiling()
        or _C._functorch.peek_interpreter_stack() is not None
        or _C._len_torch_dispatch_stack()
        or forward_ad._current_level >= 0  # pyright: ignore[reportPrivateUsage]
        # Checkpointing and offloading take hold of what is saved, which our function keeps itself.
        or _C._autograd._top_saved_tensors_default_hooks(True) is not None
    )


_PLAIN = (Tensor, torch.nn.Parameter)


def _obstacle_of(inputs: Tensor | None, noise: Noise, view: CellView) -> str | None:
    kind = view.dtype
    if view.hooked is not None:
        return f"the cell's {view.hooked} has a hook, which must see every step"
    if torch.onnx.is_in_onnx_export() and not torch.compiler.is_compiling():
        return "torch.onnx is exporting, and takes torch's own operations only"
    if not torch.compiler.is_compiling() and _C._get_tracing_state() is not None:
        return "torch.jit is tracing, and takes torch's own operations only"
    problem = machine_obstacle()
    if problem is not None:
        return problem
    for part in view.parameters.values() if inputs is None else (inputs, *view.parameters.values()):
        if not part.is_cpu:
            return f"there is no compiled engine for {part.device.type} yet"
    if _C._get_tracing_state() is not None:
        return "torch.jit is tracing, and takes torch's own operations only"
    if noise.weights:
        for name, tensor in noise.weights.items():
            own = view.parameters.get(name)
            if own is None or tensor.shape != own.shape or tensor.dtype != kind:
                return f"what stands for {name} is not like it"
    if noise.hidden is not None or noise.keep is not None:
        masks = [*tensors(noise.keep or ()), *([] if noise.hidden is None else [noise.hidden])]
        if any(mask.requires_grad for mask in masks):
            return "a mask has a gradient"
    if inputs is None or inputs.dtype == kind:
        return None
    if torch.is_autocast_enabled("cpu") and kind == torch.float32 and inputs.dtype in _LOWER:
        return None
    return f"the inputs are {inputs.dtype} and the cell's parameters {kind}"


_LOWER = (torch.bfloat16, torch.float16)


def form_of(
    reading: Reading,
    noise: Noise,
    *,
    all_states: bool,
    plain: bool = True,
    rounded: bool = False,
    recompute: bool = False,
    watched: bool = False,
) -> Form:
    """What a call traces its step with. Unless the call is `plain`, a gradient may be hidden."""
    learned = reading.resets is not None and (
        not plain or any(part.requires_grad for part in tensors(reading.initial_state))
    )
    kept = None
    if noise.keep is not None:
        kept = "always" if all(map(_is_one_rate, tensors(noise.keep))) else "steps"
    masked = noise.hidden is not None
    asked = (all_states, rounded, recompute, watched)
    return Form(reading.resets is not None, learned, masked, kept, *asked)


def _is_one_rate(keep: Tensor) -> bool:
    """Whether (batch, time, size) holds the same for all samples and steps, and shows it."""
    samples, steps = keep.shape[:2]
    repeated = [
        size <= 1 or stride == 0 for size, stride in zip(keep.shape, keep.stride(), strict=True)
    ]
    return samples > 0 and steps > 0 and all(repeated[:2]) and keep.stride(2) == 0


class _Compiled(torch.autograd.Function):
    """A call of the compiled loop in autograd's graph.

    The memory of the forward pass is used up by the backward pass. Where the graph is kept and gone
    through again, or a result was changed in place, the forward pass runs again. A second
    derivative goes through the reference, a batch of derivatives through the operator.
    """

    @staticmethod
    def forward(ctx: Any, loop: Loop, *given: Tensor) -> tuple[Tensor, ...]:
        memory = loop.run(given)
        ctx.loop, ctx.memory = loop, memory
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given)
        results = loop.results(memory)
        ctx.versions = loop.seen(memory)
        if loop.kind.form.recompute:
            ctx.memory = None
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        with without_autocast():
            if torch.is_grad_enabled():
                return (None, *twice_differentiable(ctx.loop, ctx.saved_tensors, gradients))
            if is_mapped(gradients):
                wanted = ctx.needs_input_grad[1:]
                return (None, *mapped_gradients(ctx.loop, ctx.saved_tensors, gradients, wanted))
            return (None, *_differentiated(ctx, gradients))


def _differentiated(ctx: Any, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    loop, given = ctx.loop, ctx.saved_tensors
    memory, ctx.memory = ctx.memory, None
    if memory is None or ctx.versions != loop.seen(memory):
        memory = loop.run(given)
    wanted = ctx.needs_input_grad[1:]
    found = loop.gradients(memory, gradients, into_inputs=wanted[0])
    return [gradient if want else None for gradient, want in zip(found, wanted, strict=True)]


def twice_differentiable(
    loop: Loop, given: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """The gradients of all that was given, by the reference, which differentiates them again."""
    if loop.watch is not None:
        raise EngineError(
            "the gradients of single steps are watched, which goes with first derivatives only; "
            'leave out create_graph=True, or use engine="reference"'
        )
    results = reference_results(loop.kind, given, loop.marks, reverse=loop.reverse)
    pairs = [
        (result, gradient)
        for result, gradient in zip(results, gradients, strict=True)
        if gradient is not None and result.requires_grad
    ]
    wanted = [tensor for tensor in given if tensor.requires_grad]
    found = iter(
        torch.autograd.grad(
            [result for result, _ in pairs],
            wanted,
            [gradient for _, gradient in pairs],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if tensor.requires_grad else None for tensor in given]


def without_autocast() -> AbstractContextManager[Any]:
    """A backward pass computes in the precision of the forward pass, whoever calls it."""
    if torch.is_autocast_enabled("cpu"):
        return torch.autocast("cpu", enabled=False)
    return nullcontext()
