"""Memory against time: a long sequence in segments, each run again when its gradient is due.

Of T steps, segments of about sqrt(T) are made. Going forward, only the state before each segment is
kept. Going back, the last segment is run again from its state, its gradient computed, its memory
given back, then the one before, and so on: each step is computed twice, and the memory of a loop
grows with the square root of time (Chen 2016). Inputs and outputs, which their holders keep
anyway, are not counted.

A segment cut off a batch is again a batch: with lengths, resets and masks of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from ostinato.engine.reading import Noise, Reading, Unrolled, active_steps
from ostinato.state import map_state, reset

Run = Callable[[int, Tensor, Any, Reading, Noise], Unrolled]


def segment_length(time: int) -> int:
    """Steps of a segment: the square root of time, rounded up."""
    return isqrt(max(time - 1, 0)) + 1


def unroll_in_segments(
    run: Run, inputs: Tensor, state: Any, reading: Reading, noise: Noise
) -> Unrolled:
    """Run segment after segment, in the order they are read.

    Args:
        run: unrolls one segment, given its first step's number, inputs, state, reading, noise.
        inputs: (batch, time, feature), at least one step.
        state, reading, noise: of the whole.
    """
    time = inputs.shape[1]
    size = segment_length(time)
    pieces = inputs.split(size, 1)
    noise = _with_all_steps(noise, inputs.shape[0], time)
    found: list[Any] = [None] * len(pieces)
    numbers = range(len(pieces))
    for number in reversed(numbers) if reading.reverse else numbers:
        start = number * size
        stop = start + pieces[number].shape[1]
        if reading.reverse and stop < time:
            state = _reset_at(stop, state, reading)
        masks = _noise_of(start, stop, noise, reading, time)
        part = _reading_of(start, stop, reading)
        found[number] = run(start, pieces[number], state, part, masks)
        state = found[number].state
    outputs = torch.cat([each.outputs for each in found], 1)
    states = None
    if found[0].states is not None:
        states = map_state(lambda *parts: torch.cat(parts, 1), *(each.states for each in found))
        if reading.lengths is not None:
            active = active_steps(reading.lengths, time).unsqueeze(2)
            states = map_state(
                lambda part, last: torch.where(active, part, last.unsqueeze(1)), states, state
            )
    return Unrolled(outputs, state, states)


def run_again_for_gradient(run: Callable[..., Unrolled], *given: Any) -> Unrolled:
    """Run in torch's operations, storing nothing: when a gradient is due, they run again.

    What is transformed by `torch.func` or made a graph by `torch.compile` runs once, as torch has
    no way to leave out there what it stores.
    """
    inside = torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]
    if inside or torch.compiler.is_compiling():
        return run(*given)
    from torch.utils.checkpoint import checkpoint

    return checkpoint(run, *given, use_reentrant=False)  # pyright: ignore[reportReturnType]


def _reading_of(start: int, stop: int, reading: Reading) -> Reading:
    lengths, resets = reading.lengths, reading.resets
    if lengths is not None:
        lengths = (lengths - start).clamp(0, stop - start)
    if resets is not None:
        resets = resets[:, start:stop]
    return replace(reading, lengths=lengths, resets=resets)


def _reset_at(step: int, state: Any, reading: Reading) -> Any:
    """Read backward, a boundary before `step` falls between two segments."""
    if reading.resets is None:
        return state
    where = reading.resets[:, step]
    if reading.lengths is not None:
        where = where & (step < reading.lengths)
    return reset(state, where, reading.initial_state)


def _with_all_steps(noise: Noise, samples: int, time: int) -> Noise:
    """Masks of zoneout that serve for all samples or steps, or are drawn for more, as of these."""
    if noise.keep is None:
        return noise

    def whole(keep: Tensor) -> Tensor:
        return keep[:, :time].expand(samples, time, keep.shape[2])

    return replace(noise, keep=map_state(whole, noise.keep))


def _noise_of(start: int, stop: int, noise: Noise, reading: Reading, time: int) -> Noise:
    """The masks of a segment; those of zoneout lie in the order of reading."""
    if not reading.reverse:
        return noise.window(start, stop)
    if reading.lengths is None or noise.keep is None:
        return noise.window(time - stop, time - start)
    lengths, places = reading.lengths, torch.arange(stop - start, device=reading.lengths.device)
    read_before = lengths - lengths.clamp(max=stop)
    order = (read_before.unsqueeze(1) + places).clamp(max=time - 1)

    def part_of(keep: Tensor) -> Tensor:
        if keep.stride(0) == keep.stride(1) == 0:
            return keep[:, : stop - start]  # one rate for all steps
        return keep.gather(1, order.unsqueeze(2).expand(-1, -1, keep.shape[2]))

    return replace(noise, keep=map_state(part_of, noise.keep))
