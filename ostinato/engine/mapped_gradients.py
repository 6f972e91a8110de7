"""Many gradients of one call at once: a plain call whose backward pass is mapped over.

`torch.vmap` over `torch.autograd.grad` is one way to ask for that, `is_grads_batched` another,
which maps in a manner of its own that operators with lists of tensors know nothing of. Both end in
the backward operator, which can be mapped and runs the loop forward again.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.engine.loop import Loop
from ostinato.engine.operator import BACKWARD
from ostinato.engine.operator_kernels import flows_into, saved_parts

_C: Any = torch._C
_TORCH: Any = torch


def is_mapped(gradients: Sequence[Tensor | None]) -> bool:
    """Whether each of these stands for many."""
    return _C._functorch.peek_interpreter_stack() is not None or any(map(_is_batched, gradients))


def mapped_gradients(
    loop: Loop, given: Sequence[Tensor], gradients: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of `given` where `wanted`, from those of the loop's results."""
    batched = any(map(_is_batched, gradients))
    weights = any(wanted[-len(loop.kind.shapes) :])
    found = (_in_a_batch if batched else _by_operator)(loop, given, gradients, weights)
    useful = zip(found, wanted, flows_into(loop.kind), strict=True)
    return [value if want and flow else None for value, want, flow in useful]


def _is_batched(gradient: Tensor | None) -> bool:
    return gradient is not None and _C._functorch.is_legacy_batchedtensor(gradient)


def _by_operator(
    loop: Loop, given: Sequence[Tensor], gradients: Sequence[Tensor | None], weights: bool
) -> list[Tensor]:
    marks = loop.marks
    flat = [marks.lengths, marks.resets, marks.hidden, *marks.keep]
    nothing = [given[0].new_empty(0) for _ in saved_parts(loop.kind)]
    return BACKWARD(gradients, given, flat, nothing, loop.kind.key, loop.reverse, weights)


def _in_a_batch(
    loop: Loop, given: Sequence[Tensor], gradients: Sequence[Tensor | None], weights: bool
) -> list[Tensor]:
    """The mapped axis of `is_grads_batched` taken off, mapped by `torch.vmap`, and put on again."""
    level = _C._vmapmode_increment_nesting() - 1
    _C._vmapmode_decrement_nesting()
    coming = {
        # Its size is 1 where this one is not mapped.
        number: _TORCH._remove_batch_dim(each, level, 1, 0)
        for number, each in enumerate(gradients)
        if each is not None
    }
    size = max(each.shape[0] for each in coming.values())

    def back(*present: Tensor) -> list[Tensor]:
        by_number = dict(zip(coming, present, strict=True))
        incoming = [by_number.get(number) for number in range(len(gradients))]
        return _by_operator(loop, given, incoming, weights)

    found: Any = torch.vmap(back)(*(each.expand(size, *each.shape[1:]) for each in coming.values()))
    return [_TORCH._add_batch_dim(value, 0, level) for value in found]
