"""The reference engine: a plain loop over time. It is the specification of every other engine."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.stateless import _reparametrize_module  # pyright: ignore[reportPrivateUsage]

from ostinato.engine.reading import Noise, Reading, Steps, Unrolled, active_steps
from ostinato.engine.watch import Watch
from ostinato.state import map_state, rebuild, reset, tensors


def unroll_reference(
    cell: Steps,
    inputs: Tensor,
    state: Any,
    reading: Reading,
    noise: Noise,
    watch: Watch | None = None,
) -> Unrolled:
    """Run `cell` over `inputs` (batch, time, feature), forward, one step after the other."""
    time = inputs.shape[1]
    active = None if reading.lengths is None else active_steps(reading.lengths, time)
    outputs, states = [], []
    with weights_replaced(cell, noise):
        whole = cell.project(inputs)
        anchor = None if watch is None else _with_gradient(cell, inputs, state, reading, noise)
        if watch is not None and anchor is not None:
            whole = watch.seen_whole(whole, anchor)
        projected = whole.unbind(1)
        for t in range(time):
            if reading.resets is not None:
                where = (
                    reading.resets[:, t] if active is None else reading.resets[:, t] & active[:, t]
                )
                state = reset(state, where, reading.initial_state)
            output, following = noisy_step(cell, projected[t], state, noise.window(t, t + 1))
            if watch is not None and anchor is not None:
                following = watch.seen_step(t, state, following, anchor)
            if active is not None:
                following = reset(state, active[:, t], following)
                output = torch.where(active[:, t].unsqueeze(1), output, 0.0)
            state = following
            outputs.append(output)
            states.append(state)
    return Unrolled(torch.stack(outputs, 1), state, _stack_time(states))


def _with_gradient(
    cell: Steps, inputs: Tensor, state: Any, reading: Reading, noise: Noise
) -> Tensor | None:
    """One of the tensors that this call's gradient flows into; None: there is no gradient."""
    parameters = cast(nn.Module, cell).parameters()
    states = [*tensors(state), *tensors(reading.initial_state)]
    every = [inputs, *states, *noise.weights.values(), *parameters]
    wanted = torch.is_grad_enabled()
    return next((each for each in every if wanted and each.requires_grad), None)


def unroll_pointwise(
    cell: Steps, inputs: Tensor, state: Any, reading: Reading, noise: Noise
) -> Unrolled:
    """Run a cell that carries no state: no step waits for another, so all are done at once."""
    with weights_replaced(cell, noise):
        outputs, _ = cell.step(cell.project(inputs), None, state)
    if reading.lengths is not None:
        active = active_steps(reading.lengths, inputs.shape[1])
        outputs = torch.where(active.unsqueeze(2), outputs, 0.0)
    return Unrolled(outputs, state, state)


def noisy_step(cell: Steps, projected: Tensor, state: Any, noise: Noise) -> tuple[Tensor, Any]:
    """One step of `cell` under recurrent dropout and zoneout. `noise.keep` holds this step alone.

    An output that is a part of the next state, as H_t is in most cells, is zoned out with it.
    """
    hidden: Any = state[0] if state else None
    if noise.hidden is not None:
        hidden = hidden * noise.hidden
    output, following = cell.step(projected, hidden, state)
    settled = map_state(lambda new, old: new.to(old.dtype), following, state)
    if noise.keep is None:
        return output, settled

    def zone_out(keep: Tensor, old: Tensor, new: Tensor) -> Tensor:
        return keep[:, 0] * old + (1 - keep[:, 0]) * new

    settled = map_state(zone_out, noise.keep, state, settled)
    for raw, kept in zip(following, settled, strict=True):
        if raw is output:
            output = kept
    return output, settled


def weights_replaced(cell: Steps, noise: Noise) -> AbstractContextManager[Any]:
    """While this lasts, the cell's parameters named in `noise.weights` are those tensors."""
    if not noise.weights:
        return nullcontext()
    return _reparametrize_module(cast(nn.Module, cell), dict(noise.weights))


def _stack_time(states: list[Any]) -> Any:
    parts = zip(*states, strict=True)
    return rebuild(states[0], [torch.stack(part, 1) for part in parts])
