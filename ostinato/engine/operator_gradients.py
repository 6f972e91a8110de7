"""How the operators of the compiled loop are differentiated: kernels of our own for autograd.

`torch.library.register_autograd` raises under `torch.func.grad` and gives a zero tangent in forward
mode, silently. Here forward mode and second derivatives go through the reference loop, which is run
only where they are asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd import function as autograd_function

from ostinato.engine.kinds import kind_by_key
from ostinato.engine.loop import reference_results
from ostinato.engine.operator_kernels import (
    BACKWARD,
    FORWARD,
    LIBRARY,
    OptionalTensors,
    flows_into,
    marks_of,
    results_of,
    saved_parts,
)

_C: Any = torch._C
_SingleLevelFunction: Any = autograd_function._SingleLevelFunction  # pyright: ignore[reportPrivateUsage]
_BELOW = _C._after_autograd_keyset


def register() -> None:
    """Tell torch how the operators are differentiated."""
    LIBRARY.impl("recurrence_forward", _forward, "Autograd", with_keyset=True)
    LIBRARY.impl("recurrence_backward", _backward, "Autograd", with_keyset=True)


class _Forward(_SingleLevelFunction):
    """The forward operator in autograd's graph."""

    # Compiled autograd asks for it, and a single-level function has none by itself.
    _compiled_autograd_key = torch.autograd.Function._compiled_autograd_key  # pyright: ignore[reportAttributeAccessIssue]

    @staticmethod
    def forward(key: str, reverse: bool, count: int, *flat: Any) -> tuple[Tensor, ...]:
        marks, given = flat[:count], flat[count:]
        with _below_autograd():
            return tuple(FORWARD(list(given), list(marks), key, reverse, True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.key, ctx.reverse, ctx.count, *flat = inputs
        saved = output[results_of(kind_by_key(ctx.key)) :]
        ctx.sizes = (ctx.count, len(flat) - ctx.count, len(saved))
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*saved)
        ctx.save_for_backward(*flat, *saved)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        kind = kind_by_key(ctx.key)
        marks, given, saved = _cut(ctx.saved_tensors, ctx.sizes)
        needed = ctx.needs_input_grad[3 + ctx.count :]
        nothing = (None,) * (3 + ctx.count)
        incoming = list(gradients[: results_of(kind)])
        if all(gradient is None for gradient in incoming):
            return (*nothing, *[None] * len(given))
        weights = any(needed[-len(kind.shapes) :])
        found = BACKWARD(incoming, given, marks, saved, ctx.key, ctx.reverse, weights)
        useful = zip(found, needed, flows_into(kind), strict=True)
        return (*nothing, *(value if need and flow else None for value, need, flow in useful))


class _Backward(_SingleLevelFunction):
    """The backward operator in autograd's graph: its derivative is that of the reference."""

    _compiled_autograd_key = torch.autograd.Function._compiled_autograd_key  # pyright: ignore[reportAttributeAccessIssue]

    @staticmethod
    def forward(
        key: str, reverse: bool, weights: bool, sizes: tuple[int, ...], *flat: Any
    ) -> tuple[Tensor, ...]:
        with _below_autograd():
            return tuple(BACKWARD(*_cut(flat, sizes), key, reverse, weights))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.key, ctx.reverse, _, ctx.sizes, *flat = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(value for value in output if value.shape == (0,)))
        ctx.save_for_backward(*flat)

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor | None) -> tuple[Tensor | None, ...]:
        gradients, given, marks, saved = _cut(ctx.saved_tensors, ctx.sizes)
        coming = [number for number, value in enumerate(gradients) if value is not None]
        asked = [number for number, value in enumerate(seconds) if value is not None]
        nothing = (None,) * 4
        if not asked or not coming:
            return (*nothing, *[None] * sum(map(len, (gradients, given, marks, saved))))

        def results(*given: Tensor) -> list[Tensor]:
            every = _reference(given, marks, ctx.key, ctx.reverse)
            return [every[number] for number in coming]

        def first(gradients: list[Tensor], *given: Tensor) -> list[Tensor]:
            pullback: Any = torch.func.vjp(results, *given)[1]
            found = pullback(gradients)
            return [found[number] for number in asked]

        incoming = [gradients[number] for number in coming]
        pullback: Any = torch.func.vjp(first, incoming, *given)[1]
        into_incoming, *into_given = pullback([seconds[number] for number in asked])
        by_number = dict(zip(coming, into_incoming, strict=True))
        into_gradients = [by_number.get(number) for number in range(len(gradients))]
        rest = [None] * (len(marks) + len(saved))
        return (*nothing, *into_gradients, *into_given, *rest)


def _forward(
    keyset: Any,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    key: str,
    reverse: bool,
    save: bool,
) -> list[Tensor]:
    if _in_forward_mode():
        parts = saved_parts(kind_by_key(key)) if save else ()
        return _reference(given, marks, key, reverse) + [given[0].new_empty(0) for _ in parts]
    if torch.is_grad_enabled() and _C._any_requires_grad(*given):
        with enable_single_level_autograd_function():
            found = list(_Forward.apply(key, reverse, len(marks), *marks, *given))
        return found if save else found[: results_of(kind_by_key(key))]
    with _C._AutoDispatchBelowAutograd():
        return FORWARD.redispatch(keyset & _BELOW, given, marks, key, reverse, save)


def _backward(
    keyset: Any,
    gradients: OptionalTensors,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    saved: Sequence[Tensor],
    key: str,
    reverse: bool,
    weights: bool,
) -> list[Tensor]:
    lists = [gradients, given, marks, saved]
    if _in_forward_mode():
        return _reference_gradients(gradients, given, marks, key, reverse)
    flat = [part for each in lists for part in each]
    if torch.is_grad_enabled() and _C._any_requires_grad(*flat):
        sizes = tuple(map(len, lists))
        with enable_single_level_autograd_function():
            return list(_Backward.apply(key, reverse, weights, sizes, *flat))
    with _C._AutoDispatchBelowAutograd():
        return BACKWARD.redispatch(keyset & _BELOW, *lists, key, reverse, weights)


@contextmanager
def _below_autograd() -> Iterator[None]:
    """A `Function` runs without gradients, which an outer level of `torch.func` still needs."""
    inside = _C._functorch.peek_interpreter_stack() is not None
    with _C._AutoDispatchBelowAutograd(), torch.enable_grad() if inside else nullcontext():
        yield


def _in_forward_mode() -> bool:
    """Whether tangents may be carried along. Under `torch.compile` the level is not set."""
    if forward_ad._current_level >= 0:  # pyright: ignore[reportPrivateUsage]
        return True
    stack = _C._functorch.get_interpreter_stack()
    jvp = _C._functorch.TransformType.Jvp
    return stack is not None and any(each.key() == jvp for each in stack)


def _reference(
    given: Sequence[Tensor], marks: OptionalTensors, key: str, reverse: bool
) -> list[Tensor]:
    kind = kind_by_key(key)
    return reference_results(kind, given, marks_of(kind, marks), reverse=reverse)


def _reference_gradients(
    gradients: OptionalTensors,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    key: str,
    reverse: bool,
) -> list[Tensor]:
    coming = [number for number, value in enumerate(gradients) if value is not None]

    def results(*given: Tensor) -> list[Tensor]:
        every = _reference(given, marks, key, reverse)
        return [every[number] for number in coming]

    pullback: Any = torch.func.vjp(results, *given)[1]
    return list(pullback([gradients[number] for number in coming]))


def _cut(flat: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """The flat list in pieces of these sizes."""
    entries = iter(flat)
    return [list(islice(entries, size)) for size in sizes]
