"""Both directions of a layer at the same time, each on half of the threads.

Neither direction waits for the other, so that two threads are busy even where the batch is too
small to be divided between them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.engine.compiled import (
    CompiledCall,
    needs_gradient,
    twice_differentiable,
    without_autocast,
)
from ostinato.engine.loop import Loop
from ostinato.engine.mapped_gradients import is_mapped, mapped_gradients
from ostinato.engine.operator_kernels import results_of
from ostinato.engine.reading import Unrolled

Gradients = Sequence[Tensor | None]


def run_both(calls: Sequence[CompiledCall], states: Sequence[Any]) -> list[Unrolled]:
    """Run two calls from these states; one after the other where that is the better way."""
    given = [call.given(state) for call, state in zip(calls, states, strict=True)]
    backward = needs_gradient([*given[0], *given[1]])
    loops = None
    if all(_may_share(call, own) for call, own in zip(calls, given, strict=True)):
        loops = _loops(calls, given, backward=backward)
    if loops is None:
        return [call.run(state) for call, state in zip(calls, states, strict=True)]
    if backward:
        flat: Any = _Both.apply(loops, *given[0], *given[1])
        results = _cut(flat, results_of(loops[0].kind))
    else:
        results = [
            loop.results(memory) for loop, memory in zip(loops, _run(loops, given), strict=True)
        ]
    return [
        call.unrolled(own, state) for call, own, state in zip(calls, results, states, strict=True)
    ]


def _may_share(call: CompiledCall, given: Sequence[Tensor]) -> bool:
    return (
        call.runs_plainly(given)
        and call.watch is None
        and not call.form.recompute
        and not torch.is_autocast_enabled("cpu")
    )


def _loops(
    calls: Sequence[CompiledCall], given: Sequence[Sequence[Tensor]], *, backward: bool
) -> list[Loop] | None:
    """Both loops, or None where there is one thread, too little to do, or weights to share."""
    from ostinato.engine.cpu.team import team_size

    threads = team_size()
    if threads == 1:
        return None
    halves = threads - threads // 2, threads // 2
    loops = [
        call.loop(own, backward=backward, threads=half)
        for call, own, half in zip(calls, given, halves, strict=True)
    ]
    good = all(loop.worth_a_thread and loop.layout.division.parts == 1 for loop in loops)
    return loops if good else None


def _cut(flat: Sequence[Any], first: int) -> list[Sequence[Any]]:
    return [flat[:first], flat[first:]]


def _run(loops: Sequence[Loop], given: Sequence[Sequence[Tensor]]) -> list[dict[str, Tensor]]:
    """The memories of both loops, after them."""
    from ostinato.engine.cpu.work import carry_out_both

    first, second = (loop.work(own) for loop, own in zip(loops, given, strict=True))
    carry_out_both(first, second)
    return [first.memory, second.memory]


class _Both(torch.autograd.Function):
    """Two calls in autograd's graph; what holds for one of them holds here (see `compiled`)."""

    @staticmethod
    def forward(ctx: Any, loops: Sequence[Loop], *given: Tensor) -> tuple[Tensor, ...]:
        memories = _run(loops, _cut(given, loops[0].given_count))
        ctx.loops, ctx.memories = loops, memories
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given)
        results = [loop.results(memory) for loop, memory in zip(loops, memories, strict=True)]
        ctx.versions = _seen(loops, memories)
        return (*results[0], *results[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        loops = ctx.loops
        given = _cut(ctx.saved_tensors, loops[0].given_count)
        incoming = _cut(gradients, results_of(loops[0].kind))
        wanted = _cut(ctx.needs_input_grad[1:], loops[0].given_count)
        with without_autocast():
            if torch.is_grad_enabled() or is_mapped(gradients):
                parts = zip(loops, given, incoming, wanted, strict=True)
                found = [_differentiated_alone(*each) for each in parts]
            else:
                found = _differentiated(ctx, given, incoming, wanted)
        pairs = zip((*found[0], *found[1]), (*wanted[0], *wanted[1]), strict=True)
        return (None, *(gradient if want else None for gradient, want in pairs))


def _differentiated_alone(
    loop: Loop, given: Sequence[Tensor], incoming: Gradients, wanted: Sequence[bool]
) -> Gradients:
    if _nothing(incoming):
        return [None] * len(given)
    if torch.is_grad_enabled():
        return twice_differentiable(loop, given, incoming)
    return mapped_gradients(loop, given, incoming, wanted)


def _nothing(gradients: Gradients) -> bool:
    return all(gradient is None for gradient in gradients)


def _seen(loops: Sequence[Loop], memories: Sequence[dict[str, Tensor]]) -> list[list[int]]:
    return [loop.seen(memory) for loop, memory in zip(loops, memories, strict=True)]


def _differentiated(
    ctx: Any,
    given: Sequence[Sequence[Tensor]],
    incoming: Sequence[Gradients],
    wanted: Sequence[Sequence[bool]],
) -> list[Gradients]:
    from ostinato.engine.cpu.work import carry_out, carry_out_both

    loops = ctx.loops
    memories, ctx.memories = ctx.memories, None
    if memories is None or ctx.versions != _seen(loops, memories):
        memories = _run(loops, given)
    works = [
        None if _nothing(own) else loop.gradient_work(memory, own, into_inputs=into[0])
        for loop, memory, own, into in zip(loops, memories, incoming, wanted, strict=True)
    ]
    present = [work for work in works if work is not None]
    if len(present) == 2:
        carry_out_both(*present)
    else:
        carry_out(*present)
    return [
        [None] * len(own) if work is None else loop.found_gradients(work.memory)
        for loop, work, own in zip(loops, works, given, strict=True)
    ]
