"""`unroll`: run a cell over time, and `unroll_both`: two directions at once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.engine.both_ways import run_both
from ostinato.engine.choose import Choice, choose
from ostinato.engine.compiled import CompiledCall
from ostinato.engine.parallel import unroll_parallel
from ostinato.engine.precision import Products, computing_products
from ostinato.engine.program import CannotCompileError
from ostinato.engine.reading import Noise, Reading, Steps, Unrolled, active_steps
from ostinato.engine.recompute import run_again_for_gradient, unroll_in_segments
from ostinato.engine.reference import unroll_pointwise, unroll_reference
from ostinato.engine.vendor import unroll_vendor
from ostinato.engine.watch import StepGradients, Watch
from ostinato.errors import EngineError, ShapeError
from ostinato.state import map_state, rebuild, tensors

_RUN = {
    "reference": unroll_reference,
    "pointwise": unroll_pointwise,
    "vendor": unroll_vendor,
    "parallel": unroll_parallel,
}


def unroll(
    cell: Steps,
    inputs: Tensor,
    state: Any = None,
    reading: Reading | None = None,
    noise: Noise | None = None,
    *,
    engine: str | None = None,
    all_states: bool = False,
    products: Products | None = None,
    recompute: bool = False,
    watch: StepGradients | None = None,
) -> Unrolled:
    """Run `cell` over `inputs`, one step after the other.

    Args:
        cell: the cell; see `ostinato.Cell`.
        inputs: (batch, time, feature).
        state: the state before the first step read, its tensors (batch, size); None: the initial.
        reading: lengths, resets, direction; None: whole sequences, forward.
        noise: masks of recurrent dropout, zoneout and weight drop; None: none.
        engine: force "reference", "compiled", "vendor", "pointwise" or "parallel"; None: the
            fixed rule of `choose`.
        all_states: also return the state after every step.
        products: "bfloat16" rounds the factors of all matrix products to it, forward and backward,
            and adds them up in float32, in which all else stays; "float32" rounds none, under
            autocast either. None: as autocast says, else none.
        recompute: store no more for the gradient than inputs and a state now and then, and run
            segments of sqrt(time) steps again when it is due: twice the forward pass, in memory
            that grows with sqrt(time). Gradients of weights are added up segment by segment.
        watch: keeps the gradients of single steps when the backward pass comes by; None: nothing.

    Returns:
        `Unrolled(outputs, state, states)`.

    Raises:
        ShapeError: inputs, state, lengths, resets or masks do not fit the cell or each other.
        EngineError: the engine asked for cannot compute this, or an ONNX graph cannot hold it; or
            `products` is given and the cell's parameters are not float32.

    Example:
        >>> cell = ostinato.GRUCell(3, 4)
        >>> outputs, state, _ = unroll(cell, torch.zeros(2, 5, 3))
        >>> outputs.shape
        torch.Size([2, 5, 4])
    """
    way = _checked(Way(cell, state, reading or Reading(), noise or Noise()), inputs)
    if (products or recompute) and torch.onnx.is_in_onnx_export():
        products, recompute = None, False  # a file computes in float32, and keeps nothing
    seen = None if watch is None else watch.begin(cell.state_sizes, *inputs.shape[:2])
    asked = _Asked(engine, all_states, products, recompute and torch.is_grad_enabled(), seen)
    if not asked.recompute or inputs.shape[1] == 0:
        return _run(way, inputs, asked)

    def run(start: int, inputs: Tensor, state: Any, reading: Reading, noise: Noise) -> Unrolled:
        watch = None if seen is None else seen.at(start)
        return _run(Way(cell, state, reading, noise), inputs, asked._replace(watch=watch))

    return unroll_in_segments(run, inputs, way.state, way.reading, way.noise)


class Way(NamedTuple):
    """One direction of a layer: the cell, the state before its first step, how and with which
    masks it reads.
    """

    cell: Steps
    state: Any
    reading: Reading
    noise: Noise


def unroll_both(
    ways: Sequence[Way],
    inputs: Tensor,
    *,
    engine: str | None = None,
    all_states: bool = False,
    products: Products | None = None,
) -> list[Unrolled]:
    """`unroll` two directions over the same inputs: at the same time where threads are free.

    Args:
        ways: the two.
        inputs, engine, all_states, products: as for `unroll`.

    Example:
        >>> ahead, back = ostinato.GRUCell(3, 4), ostinato.GRUCell(3, 4)
        >>> ways = [
        ...     Way(ahead, None, Reading(), Noise()),
        ...     Way(back, None, Reading(reverse=True), Noise()),
        ... ]
        >>> found = unroll_both(ways, torch.zeros(2, 5, 3))
        >>> [each.outputs.shape for each in found]
        [torch.Size([2, 5, 4]), torch.Size([2, 5, 4])]
    """
    ways = [_checked(way, inputs) for way in ways]
    asked = _Asked(engine, all_states, products, False, None)
    pairs = [_chosen(way, inputs, asked) for way in ways]
    if inputs.shape[1] and all(choice.engine == "compiled" for _, choice in pairs):
        with suppress(CannotCompileError):  # as in _run
            return run_both([compiled for compiled, _ in pairs], [way.state for way in ways])
        return [_run(way, inputs, asked) for way in ways]
    return [_run_chosen(way, inputs, asked, *pair) for way, pair in zip(ways, pairs, strict=True)]


class _Asked(NamedTuple):
    """How `unroll` is to run; see there."""

    engine: str | None
    all_states: bool
    products: Products | None
    recompute: bool
    watch: Watch | None


def _checked(way: Way, inputs: Tensor) -> Way:
    """The same with its states there, once all is found to fit."""
    cell, state, reading, noise = way
    _check_inputs(cell, inputs)
    reading.check(*inputs.shape[:2])
    if noise.hidden is not None or noise.keep is not None:
        noise.check(inputs.shape[0], inputs.shape[1], list(cell.state_sizes))
    reading = _with_initial_state(cell, inputs, reading)
    if state is None:
        state = reading.initial_state
    _check_state(cell, state, inputs.shape[0])
    return Way(cell, state, reading, noise)


def _chosen(way: Way, inputs: Tensor, asked: _Asked) -> tuple[CompiledCall, Choice]:
    """The call as the compiled engine would run it, and the engine that will."""
    compiled = CompiledCall(
        way.cell,
        inputs,
        way.reading,
        way.noise,
        all_states=asked.all_states,
        products=asked.products,
        recompute=asked.recompute,
        watch=asked.watch,
    )
    choice = choose(
        way.cell,
        way.noise,
        engine=asked.engine,
        all_states=asked.all_states,
        products=asked.products,
        watched=asked.watch is not None,
        compiled=compiled,
    )
    return compiled, choice


def _run(way: Way, inputs: Tensor, asked: _Asked) -> Unrolled:
    """Run what has been checked."""
    return _run_chosen(way, inputs, asked, *_chosen(way, inputs, asked))


def _run_chosen(
    way: Way, inputs: Tensor, asked: _Asked, compiled: CompiledCall, choice: Choice
) -> Unrolled:
    cell, state, reading, noise = way
    _, all_states, products, recompute, watch = asked
    _refuse_frozen_time(cell, inputs, choice)
    if inputs.shape[1] == 0:
        return _no_steps(cell, inputs, state, all_states)
    if choice.engine == "compiled":
        try:
            return compiled.run(state)
        except CannotCompileError:  # only now was machine code asked for; the choice will know
            return _run(way, inputs, asked)
    if reading.lengths is not None:
        # What stands in the padding must not matter, not even a NaN in a gradient.
        active = active_steps(reading.lengths, inputs.shape[1])
        inputs = torch.where(active.unsqueeze(2), inputs, 0.0)
    order = _reversed_order(inputs, reading) if reading.reverse else None
    if order is not None:
        inputs = _reorder(inputs, order)
        reading = replace(reading, resets=_reversed_resets(reading, order))
    run: Callable[..., Unrolled] = _RUN[choice.engine]
    if watch is not None:
        run = partial(run, watch=replace(watch, order=order))
    if products is not None:
        run = partial(_run_with_products, products, run)
    if recompute:
        run = partial(run_again_for_gradient, run)
    unrolled = run(cell, inputs, state, reading, noise)
    if all_states and unrolled.states is None:
        unrolled = unrolled._replace(states=_states_from_outputs(unrolled, state, reading))
    if order is not None:
        unrolled = _back_in_order(unrolled, order)
    return unrolled if all_states else unrolled._replace(states=None)


def _refuse_frozen_time(cell: Steps, inputs: Tensor, choice: Choice) -> None:
    """A loop in Python would put the example's number of steps into an ONNX graph for good."""
    loops = choice.engine in ("reference", "vendor")
    if loops and isinstance(inputs.shape[1], torch.SymInt) and torch.onnx.is_in_onnx_export():
        raise EngineError(
            f"{type(cell).__name__} cannot be exported to ONNX for any number of steps: "
            f"{choice.reason}"
        )


def _run_with_products(
    products: Products,
    run: Callable[..., Unrolled],
    cell: Steps,
    inputs: Tensor,
    *rest: Any,
) -> Unrolled:
    """Under autocast as the compiled engine has it: outputs alone are in the lower precision."""
    device = inputs.device.type
    cast = torch.is_autocast_enabled(device)
    with computing_products(products, device):
        found = run(cell, inputs.to(torch.float32) if cast else inputs, *rest)
    if not cast:
        return found
    return found._replace(outputs=found.outputs.to(torch.get_autocast_dtype(device)))


def _check_inputs(cell: Steps, inputs: Tensor) -> None:
    if inputs.dim() != 3 or inputs.shape[2] != cell.input_size:
        raise ShapeError(
            f"inputs must be (batch, time, feature) with {cell.input_size} features, "
            f"got {tuple(inputs.shape)}"
        )


def _with_initial_state(cell: Steps, inputs: Tensor, reading: Reading) -> Reading:
    if reading.initial_state is not None:
        return reading
    return replace(reading, initial_state=cell.initial_state(inputs.shape[0]))


def _check_state(cell: Steps, state: Any, batch_size: int) -> None:
    sizes = tensors(cell.state_sizes)
    shapes = [tuple(part.shape) for part in tensors(state)]
    if shapes != [(batch_size, size) for size in sizes]:
        names = ", ".join(getattr(cell.state_sizes, "_fields", ()))
        raise ShapeError(
            f"the state of {type(cell).__name__} holds ({names}) of shapes "
            f"{[(batch_size, size) for size in sizes]} for these inputs, got {shapes}"
        )


def _no_steps(cell: Steps, inputs: Tensor, state: Any, all_states: bool) -> Unrolled:
    outputs = inputs.new_zeros(inputs.shape[0], 0, cell.output_size)
    states = map_state(lambda part: part.unsqueeze(1)[:, :0], state) if all_states else None
    return Unrolled(outputs, state, states)


def _reversed_order(inputs: Tensor, reading: Reading) -> Tensor:
    """(batch, time): which step is read at which place. It is its own inverse."""
    batch_size, time = inputs.shape[:2]
    places = torch.arange(time, device=inputs.device).expand(batch_size, time)
    if reading.lengths is None:
        return places.flip(1)
    lengths = reading.lengths.to(inputs.device).unsqueeze(1)
    return torch.where(places < lengths, lengths - 1 - places, places)


def _reorder(sequence: Tensor, order: Tensor) -> Tensor:
    return sequence.gather(1, order.unsqueeze(2).expand(-1, -1, sequence.shape[2]))


def _reversed_resets(reading: Reading, order: Tensor) -> Tensor | None:
    """A boundary between t - 1 and t, in the order read: before the place where t - 1 is read."""
    if reading.resets is None:
        return None
    in_order = reading.resets.gather(1, order)
    first = torch.zeros_like(in_order[:, :1])
    return torch.cat([first, in_order[:, :-1]], 1)


def _back_in_order(unrolled: Unrolled, order: Tensor) -> Unrolled:
    states = unrolled.states
    if states is not None:
        states = map_state(lambda part: _reorder(part, order), states)
    return Unrolled(_reorder(unrolled.outputs, order), unrolled.state, states)


def _states_from_outputs(unrolled: Unrolled, state: Any, reading: Reading) -> Any:
    """For cells whose output is their whole state; past a sample's length its last state stays."""
    outputs = unrolled.outputs
    if reading.lengths is not None:
        active = active_steps(reading.lengths, outputs.shape[1]).unsqueeze(2)
        outputs = torch.where(active, outputs, unrolled.state[0].unsqueeze(1))
    return rebuild(state, [outputs])
