"""Trace a cell's step, with resets, masks and its derivative, into one program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.stateless import _reparametrize_module  # pyright: ignore[reportPrivateUsage]

from ostinato.engine.decompositions import decompositions
from ostinato.engine.effects import line_of_exception, refuse_rebinding, refuse_writing
from ostinato.engine.lowering import (
    EXAMPLE_BATCH,
    Lowering,
    MatrixGradient,
    VectorGradient,
    line_of,
    lower,
    whole_matrix,
)
from ostinato.engine.program import GRADIENT_LETTERS, CannotCompileError, Program, Row
from ostinato.engine.reading import Noise, Steps
from ostinato.engine.reference import noisy_step
from ostinato.state import map_state, rebuild, reset, tensors


class Form(NamedTuple):
    """What a step is traced with, besides the cell itself.

    `resets`: states may start afresh; `masked`: recurrent dropout; `kept`: zoneout, "steps" with a
    mask of its own for each step, "always" with one rate a feature; `all_states`: gradients come
    in for the states of all steps. `learned`: what a reset returns to has a gradient. `rounded`:
    the factors of products are bfloat16 (`precision`); `recompute`: the forward pass hands nothing
    on, and runs again for the gradient; these two do not change the program. `watched`: the
    gradients of single steps are kept.
    """

    resets: bool = False
    learned: bool = False
    masked: bool = False
    kept: str | None = None
    all_states: bool = False
    rounded: bool = False
    recompute: bool = False
    watched: bool = False


@dataclass(frozen=True)
class TracedStep:
    """One step and its derivative, over the nodes of one program.

    The program reads the buffers X (the step's input), S0, S1, ... (the state before the step) and,
    where the form has them, R (1 where a reset falls), I0, ... (what it returns to), M (the mask
    of recurrent dropout), K0, ... (the shares of zoneout); backward, GO (the gradient of the
    output), D0, ... (of the state after the step), G0, ... (what comes in for it from outside).
    `watched`: the gradients of the projected input and of the state after the step, if asked for.
    """

    program: Program
    form: Form
    input_width: int
    state_widths: tuple[int, ...]
    output: Row
    states: tuple[Row, ...]
    input_gradient: Row
    state_gradients: tuple[Row, ...]
    initial_gradients: tuple[Row, ...]
    parameter_gradients: Mapping[str, Any]
    watched: tuple[Row, ...] = ()

    @property
    def output_is_state(self) -> int | None:
        """Which part of the next state the output is, or None."""
        for number, state in enumerate(self.states):
            if state.pieces == self.output.pieces:
                return number
        return None


def trace(
    cell: Steps,
    parameters: Mapping[str, Tensor],
    form: Form,
    others: Mapping[str, Tensor] | None = None,
) -> TracedStep:
    """Trace `cell.step` after `cell.project`, and its derivative.

    Args:
        cell: any cell of an `unroll`.
        parameters: its tensors by name, all of one floating-point kind.
        form: what the step is traced with.
        others: its tensors of whole numbers or truths. The step may have them, not use them.

    Raises:
        CannotCompileError: the step does something the compiler does not know; says what, where.
    """
    example = _example(cell, parameters, form)
    names, others = list(parameters), dict(others or {})
    sources = [name for name in example if name[0] in ("XSI" if form.learned else "XS")]

    def joint(
        values: dict[str, Tensor], weights: dict[str, Tensor], others: dict[str, Tensor]
    ) -> Any:
        derived = {name: values[name] for name in sources}

        watch = _Watch() if form.watched else None

        def step(weights: dict[str, Tensor], derived: dict[str, Tensor]) -> tuple[Tensor, ...]:
            return _one_step(cell, {**weights, **others}, {**values, **derived}, form, watch)

        found: Any = torch.func.vjp(step, weights, derived)
        (output, *states), pullback = found
        incoming = [values[f"D{number}"] for number in range(len(states))]
        if form.all_states:
            incoming = [d + values[f"G{number}"] for number, d in enumerate(incoming)]
        into_weights, into_values = pullback((values["GO"], *incoming))
        watched = watch.gradients(values["X"]) if watch else []
        gradients = [into_weights[name] for name in names]
        return [output, *states, *gradients, *(into_values[name] for name in sources), *watched]

    graph = _trace_graph(joint, cell, example, parameters, others)
    inputs = [("input", name, tensor.shape[-1]) for name, tensor in example.items()]
    inputs += [*map(_parameter, names, parameters.values())]
    program, outputs = lower(graph, inputs + [("whole", name, 0) for name in others])
    count = len(tensors(cell.state_sizes))
    output, states = outputs[0], outputs[1 : 1 + count]
    into_weights = outputs[1 + count : 1 + count + len(names)]
    into_sources = outputs[1 + count + len(names) :]
    by_source = dict(zip(sources, into_sources, strict=False))
    return TracedStep(
        program,
        form,
        example["X"].shape[1],
        tuple(example[f"S{number}"].shape[1] for number in range(count)),
        _row(output),
        tuple(map(_row, states)),
        by_source["X"],
        tuple(by_source[f"S{number}"] for number in range(count)),
        tuple(by_source[f"I{number}"] for number in range(count)) if form.learned else (),
        {
            name: gradient
            for name, gradient in zip(names, into_weights, strict=True)
            if isinstance(gradient, MatrixGradient | VectorGradient)
        },
        tuple(into_sources[len(sources) :]),
    )


class ForwardStep(NamedTuple):
    """One step alone, over the same buffers as a `TracedStep`."""

    program: Program
    output: Row
    states: tuple[Row, ...]


def trace_forward(
    cell: Steps, parameters: Mapping[str, Tensor], form: Form, lowering: type[Lowering]
) -> ForwardStep:
    """Trace a step without its derivative, in the operations of `lowering`.

    Raises:
        CannotCompileError: as `trace`.
    """
    example = {
        name: tensor
        for name, tensor in _example(cell, parameters, form).items()
        if name[0] not in GRADIENT_LETTERS
    }

    def step(
        values: dict[str, Tensor], weights: dict[str, Tensor], others: dict[str, Tensor]
    ) -> Any:
        return list(_one_step(cell, {**weights, **others}, values, form))

    graph = _trace_graph(step, cell, example, parameters, {})
    inputs = [("input", name, tensor.shape[-1]) for name, tensor in example.items()]
    given = [*inputs, *map(_parameter, parameters, parameters.values())]
    program, (output, *states) = lower(graph, given, lowering)
    return ForwardStep(program, _row(output), tuple(map(_row, states)))


def _one_step(
    cell: Steps,
    own: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    form: Form,
    watch: "_Watch | None" = None,
) -> tuple[Tensor, ...]:
    """What a compiled loop does at each step, in the words of the reference."""
    state = _state(cell, values, "S")
    if form.resets:
        state = reset(state, values["R"][:, 0] > 0.5, _state(cell, values, "I"))
    keep = None
    if form.kept:
        keep = map_state(lambda part: part.unsqueeze(1), _state(cell, values, "K"))
    noise = Noise(values["M"] if form.masked else None, keep)
    left = dict(own)
    with _reparametrize_module(cast(nn.Module, cell), left):
        projected = cell.project(values["X"])
        if watch is not None:
            watch.see(projected)
        output, following = noisy_step(cell, projected, state, noise)
    refuse_rebinding(own, left)
    parts = tensors(following)
    if watch is not None:
        before = [values["X"], *tensors(state)]
        parts = [watch.see(part * 1.0 if _is_one_of(part, before) else part) for part in parts]
    return (output, *parts)


def _is_one_of(value: Tensor, values: Sequence[Tensor]) -> bool:
    return any(value is each for each in values)


class _Watch:
    """The gradients of values inside a traced step, in the order in which they were seen."""

    def __init__(self) -> None:
        self._widths: list[int] = []
        self._found: dict[int, Tensor] = {}

    def see(self, value: Tensor) -> Tensor:
        number = len(self._widths)
        self._widths.append(value.shape[1])
        if value.requires_grad:
            value.register_hook(lambda gradient: self._found.update({number: gradient}))
        return value

    def gradients(self, like: Tensor) -> list[Tensor]:
        return [
            self._found[number] if number in self._found else like.new_zeros(like.shape[0], width)
            for number, width in enumerate(self._widths)
        ]


def _state(cell: Steps, values: Mapping[str, Tensor], letter: str) -> Any:
    parts = [values[f"{letter}{number}"] for number in range(len(cell.state_sizes))]
    return rebuild(cell.state_sizes, parts)


def _example(cell: Steps, parameters: Mapping[str, Tensor], form: Form) -> dict[str, Tensor]:
    """One tensor for each buffer. All distinct: make_fx takes one object given twice for one."""
    like = next(iter(parameters.values()))

    def row(width: int) -> Tensor:
        return like.new_empty(EXAMPLE_BATCH, width)

    sizes = tensors(cell.state_sizes)
    example = {"X": row(cell.input_size)}
    for letter, wanted in (
        ("S", True),
        ("I", form.resets),
        ("K", form.kept),
        ("D", True),
        ("G", form.all_states),
    ):
        if wanted:
            example |= {f"{letter}{number}": row(size) for number, size in enumerate(sizes)}  # pyright: ignore[reportArgumentType]
    if form.resets:
        example["R"] = row(1)
    if form.masked:
        example["M"] = row(sizes[0])  # pyright: ignore[reportArgumentType]
    return example | {"GO": row(cell.output_size)}


def _trace_graph(
    joint: Any,
    cell: Steps,
    example: dict[str, Tensor],
    parameters: Mapping[str, Tensor],
    others: dict[str, Tensor],
) -> Any:
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    _keep_lines_of(cell)
    weights = {name: tensor.detach() for name, tensor in parameters.items()}
    try:
        with torch.enable_grad():
            graph = make_fx(joint, decompositions(), tracing_mode="fake", record_stack_traces=True)(
                example, weights, others
            )
    except CannotCompileError:
        raise
    except GuardOnDataDependentSymNode as problem:
        raise CannotCompileError("the step branches on a tensor's value") from problem
    except Exception as problem:  # whatever a person's step may raise under tracing
        line = line_of_exception(problem)
        said = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        if "leaf Variable that requires grad" in said:
            raise CannotCompileError(f"the step changes a tensor of its cell{line}") from problem
        raise CannotCompileError(f"the step cannot be traced: {said}{line}") from problem
    buffers = [_IN_WORDS.get(name[0], "what it is given") for name in example]
    refuse_writing(graph, [*buffers, *map(repr, (*weights, *others))], line_of)
    graph.graph.eliminate_dead_code()
    return graph


_IN_WORDS = {"X": "its input", "S": "the state before it", "M": "its mask", "K": "its mask"}


def _keep_lines_of(cell: Steps) -> None:
    """Have torch remember the lines of the step: by itself it does so for `forward` only."""
    from torch.fx import proxy

    anchor = getattr(proxy, "_register_stack_trace_anchor", None)
    if anchor is not None:
        anchor(type(cell).step)
        anchor(type(cell).project)


def _parameter(name: str, tensor: Tensor) -> Any:
    shape = tuple(tensor.shape)
    if len(shape) == 1:
        return ("vector", name, shape[0])
    if len(shape) == 2:
        return whole_matrix(name, shape)
    if len(shape) == 3:
        return ("stack", name, shape)
    raise CannotCompileError(f"the parameter {name} has {len(shape)} axes")


def _row(value: Any) -> Row:
    if not isinstance(value, Row):
        raise CannotCompileError("the step returns something that does not depend on its input")
    return value
