"""All steps of a linear recurrence at once, in passes that grow with the logarithm of time.

A cell says by `linear_form(projected)` that its step is

    H_t = A_t * H_{t-1} + B_t

with a decay A_t and an addition B_t (..., hidden) that come from the input alone, H_t being both
its output and its whole state. Two such steps in a row are again one, of A_2 A_1 and A_2 B_1 + B_2.
So steps are joined in pairs, the pairs, half as many, are solved in the same way, and the steps in
between follow from them.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.engine.reading import Noise, Reading, Steps, Unrolled, active_steps
from ostinato.engine.reference import weights_replaced
from ostinato.state import rebuild


def parallel_obstacle(cell: Steps, noise: Noise) -> str | None:
    """Why this is no linear recurrence known beforehand, or None where it is."""
    if getattr(cell, "linear_form", None) is None:
        return f"{type(cell).__name__} declares no linear recurrence (linear_form)"
    if noise.hidden is not None:
        return "recurrent dropout acts inside the time loop, and this engine has none"
    if noise.keep is not None:
        return "zoneout acts inside the time loop, and this engine has none"
    return None


def unroll_parallel(
    cell: Steps, inputs: Tensor, state: Any, reading: Reading, noise: Noise
) -> Unrolled:
    """Run `cell` over `inputs` (batch, time, feature), forward, all steps at once."""
    with weights_replaced(cell, noise):
        form: Any = cell.linear_form  # pyright: ignore[reportAttributeAccessIssue]
        decay, addition = (part.to(state[0].dtype) for part in form(cell.project(inputs)))
    fresh = None if reading.resets is None else reading.resets.unsqueeze(2)
    active = None
    if reading.lengths is not None:
        # Past a sample's length its state stays: H_t = 1 * H_{t-1} + 0.
        active = active_steps(reading.lengths, inputs.shape[1]).unsqueeze(2)
        decay, addition = torch.where(active, decay, 1.0), torch.where(active, addition, 0.0)
        fresh = None if fresh is None else fresh & active
    if fresh is not None:
        restarted = decay * reading.initial_state[0].to(decay.dtype).unsqueeze(1) + addition
        addition = torch.where(fresh, restarted, addition)
    steps = _LinearSteps(decay, addition, fresh)
    first = _follow(_at(steps, slice(0, 1)), state[0].unsqueeze(1))
    steps = steps._replace(addition=torch.cat([first, addition[:, 1:]], 1))
    hidden = _states(steps)
    outputs = hidden if active is None else torch.where(active, hidden, 0.0)
    return Unrolled(outputs, rebuild(state, [hidden[:, -1]]), rebuild(state, [hidden]))


class _LinearSteps(NamedTuple):
    """H_t = decay * H_{t-1} + addition, each (batch, time, hidden).

    `fresh` (batch, time, 1) is True where a step starts afresh and is its addition alone, whatever
    came before, be it a NaN; None: nowhere.
    """

    decay: Tensor
    addition: Tensor
    fresh: Tensor | None


def _states(steps: _LinearSteps) -> Tensor:
    """H_t of all steps from H = 0 before the first: (batch, time, hidden)."""
    time = steps.addition.shape[1]
    if time == 1:
        return steps.addition
    pairs = time // 2
    even, odd = _at(steps, slice(0, None, 2)), _at(steps, slice(1, None, 2))
    after_odd = _states(_joined(_at(even, slice(0, pairs)), odd))
    later = _at(even, slice(1, None))
    following = _follow(later, after_odd[:, : later.addition.shape[1]])
    after_even = torch.cat([even.addition[:, :1], following], 1)
    in_order = torch.stack([after_even[:, :pairs], after_odd], 2).flatten(1, 2)
    return torch.cat([in_order, after_even[:, pairs:]], 1)


def _joined(first: _LinearSteps, second: _LinearSteps) -> _LinearSteps:
    """The one step that does what `first` and then `second` do."""
    fresh = None
    if first.fresh is not None and second.fresh is not None:
        fresh = first.fresh | second.fresh
    return _LinearSteps(second.decay * first.decay, _follow(second, first.addition), fresh)


def _follow(step: _LinearSteps, hidden: Tensor) -> Tensor:
    """The hidden state after `step` where `hidden` was before it."""
    following = step.decay * hidden + step.addition
    return following if step.fresh is None else torch.where(step.fresh, step.addition, following)


def _at(steps: _LinearSteps, places: slice) -> _LinearSteps:
    fresh = None if steps.fresh is None else steps.fresh[:, places]
    return _LinearSteps(steps.decay[:, places], steps.addition[:, places], fresh)
