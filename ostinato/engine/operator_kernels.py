"""The two operators of the compiled loop (see `operator`): schemas, the CPU's kernels, shapes."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cache import recurrence_of
from ostinato.engine.kinds import Kind, kind_by_key
from ostinato.engine.loop import Loop, Marks, loop_of, split_given
from ostinato.engine.reading import Reading
from ostinato.errors import EngineError

LIBRARY = torch.library.Library("ostinato", "FRAGMENT")
_TAGS = (torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order)
LIBRARY.define(
    "recurrence_forward(Tensor[] given, Tensor?[] marks, str kind, bool reverse, bool save)"
    " -> Tensor[]",
    tags=_TAGS,
)
LIBRARY.define(
    "recurrence_backward(Tensor?[] gradients, Tensor[] given, Tensor?[] marks, Tensor[] saved, "
    "str kind, bool reverse, bool weights) -> Tensor[]",
    tags=_TAGS,
)
FORWARD = torch.ops.ostinato.recurrence_forward.default
BACKWARD = torch.ops.ostinato.recurrence_backward.default

OptionalTensors = Sequence[Tensor | None]


class Saved(NamedTuple):
    """A part of the loop's memory that the backward pass reads; `used_up`: and writes over."""

    name: str
    kind: str
    width: int
    used_up: bool


@lru_cache(maxsize=256)
def saved_parts(kind: Kind) -> tuple[Saved, ...]:
    """What a forward pass of this kind must hand on."""
    if kind.form.recompute:
        return ()
    recurrence = recurrence_of(kind, backward=True)
    stages = recurrence.stages
    read = set(recurrence.backward_loop.emitted.order)
    for term in stages.outer_products:
        read |= {term.left.buffer, term.right.buffer}
    read |= {term.operand.buffer for term in stages.input_products}
    places = [place for stored in stages.forward.stores.values() for place in stored]
    written = dict.fromkeys([*stages.hoisted, *(place.buffer for place in places)])
    changed = {place.buffer for stored in stages.backward.stores.values() for place in stored}
    buffers = [stages.buffers[name] for name in written if name in read]
    return tuple(
        Saved(buffer.name, buffer.kind, buffer.width, buffer.name in changed)
        for buffer in buffers
        if buffer.kind in ("steps", "states")
    )


def results_of(kind: Kind) -> int:
    """How many results there are."""
    count = len(kind.stages.traced.state_widths)
    return 1 + count + (count if kind.form.all_states else 0)


def marks_of(kind: Kind, marks: OptionalTensors) -> Marks:
    """The flat list by name."""
    lengths, resets, hidden, *keep = marks
    return Marks(lengths, resets, hidden, tuple(part for part in keep if part is not None))


def flows_into(kind: Kind) -> list[bool]:
    """For each of `given`: whether a gradient can flow into it."""
    count = len(kind.stages.traced.state_widths)
    initials = [kind.form.learned] * count if kind.form.resets else []
    into = kind.stages.traced.parameter_gradients
    return [True, *[True] * count, *initials, *(name in into for name in kind.shapes)]


# ---- on the CPU


def _forward(
    given: Sequence[Tensor], marks: OptionalTensors, key: str, reverse: bool, save: bool
) -> list[Tensor]:
    with torch.no_grad(), _no_autocast():
        loop = _loop(given, marks, key, reverse, backward=save)
        memory = loop.run(given)
        results = loop.results(memory)
        if not save and len(results) == 1 + loop.count:
            return results
        if loop.layout.order is None:
            # Without lengths they are views of the memory.
            results = [_copied(result) for result in results]
        if not save:
            return results
        parts = [memory[part.name] for part in saved_parts(loop.kind)]
        return results + [_whole(loop, part) for part in parts]


def _backward(
    gradients: OptionalTensors,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    saved: Sequence[Tensor],
    key: str,
    reverse: bool,
    weights: bool,
) -> list[Tensor]:
    with torch.no_grad(), _no_autocast():
        loop = _loop(given, marks, key, reverse, backward=True)
        if all(part.dim() == 1 for part in saved):
            memory = loop.run(given)
        else:
            memory = _restored(loop, given, saved)
        found = loop.gradients(memory, gradients)
        if found[0] is None:
            found[0] = loop.layout.scatter(torch.zeros_like(memory["X"]))
        if loop.layout.order is None:
            found = [found[0], *map(_copied_rows, found[1:])]
        wanted = _wanted(loop.kind, weights)
        return [
            gradient if gradient is not None and want else like.new_empty(0)
            for gradient, like, want in zip(found, given, wanted, strict=True)
        ]


def _loop(
    given: Sequence[Tensor], marks: OptionalTensors, key: str, reverse: bool, *, backward: bool
) -> Loop:
    kind = kind_by_key(key)
    shapes = [tuple(tensor.shape) for tensor in split_given(kind, given)[3]]
    if shapes != list(kind.shapes.values()) or {part.dtype for part in given} != {kind.dtype}:
        raise EngineError(
            f"the compiled recurrence {key!r} is for {kind.dtype} and parameters "
            f"{dict(kind.shapes)}, got {[(part.dtype, tuple(part.shape)) for part in given]}"
        )
    named = marks_of(kind, marks)
    Reading(named.lengths, named.resets).check(*given[0].shape[:2])
    return loop_of(kind, given[0], named, reverse=reverse, backward=backward)


def _restored(loop: Loop, given: Sequence[Tensor], saved: Sequence[Tensor]) -> dict[str, Tensor]:
    """The memory as the forward pass left it, from what was saved and what was given."""
    inputs, _, initials, _ = loop.split(given)
    memory = {"X": loop.layout.gather(inputs)}
    memory |= loop.buffers_of_marks(inputs.dtype, initials)
    for name, tensor in loop.parameters(given).items():
        memory[f"vector {name}"] = tensor
    for part, tensor in zip(saved_parts(loop.kind), saved, strict=True):
        rows = loop.layout.rows + (loop.layout.samples if part.kind == "states" else 0)
        own = tensor[:rows]
        memory[part.name] = own.clone() if part.used_up else own
    return memory


def _copied(result: Tensor) -> Tensor:
    """A copy with the same order of axes in memory, and no view in autograd's eyes."""
    if result.dim() == 2:
        return result
    in_memory = result.transpose(0, 1).clone(memory_format=torch.contiguous_format)
    return in_memory.transpose(0, 1).detach()


def _copied_rows(gradient: Tensor | None) -> Tensor | None:
    """A copy if it is a part of a larger tensor."""
    offset = 0 if gradient is None else gradient.storage_offset()
    return gradient.clone() if gradient is not None and offset else gradient


def _whole(loop: Loop, part: Tensor) -> Tensor:
    """Padded to the number of rows that all samples would have at full length."""
    missing = loop.layout.samples * loop.layout.time - loop.layout.rows
    return torch.cat([part, part.new_zeros(missing, part.shape[1])]) if missing else part


def _wanted(kind: Kind, weights: bool) -> list[bool]:
    flows = flows_into(kind)
    first = len(flows) - len(kind.shapes)
    return [flow and (weights or number < first) for number, flow in enumerate(flows)]


def _no_autocast() -> Any:
    return torch.autocast("cpu", enabled=False)


# ---- without numbers: shapes alone


def _forward_shapes(
    given: Sequence[Tensor], marks: OptionalTensors, key: str, reverse: bool, save: bool
) -> list[Tensor]:
    kind = kind_by_key(key)
    inputs = given[0]
    samples, time = inputs.shape[:2]
    uneven = marks[0] is not None

    def steps(width: int, before: int = 0) -> Tensor:
        if uneven:
            return inputs.new_empty(samples, time, width)
        return inputs.new_empty(before + time, samples, width)[before:].transpose(0, 1)

    traced = kind.stages.traced
    # An output that nobody copied lies behind the initial state.
    is_view = not (save or reverse or kind.form.all_states or traced.output_is_state is None)
    results = [steps(traced.output.width, int(is_view))]
    results += [inputs.new_empty(samples, width) for width in traced.state_widths]
    if kind.form.all_states:
        results += [steps(width) for width in traced.state_widths]
    if not save:
        return results
    return results + [
        inputs.new_empty(samples * (time + 1 if part.kind == "states" else time), part.width)
        for part in saved_parts(kind)
    ]


def _backward_shapes(
    gradients: OptionalTensors,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    saved: Sequence[Tensor],
    key: str,
    reverse: bool,
    weights: bool,
) -> list[Tensor]:
    kind = kind_by_key(key)
    found = [
        like.new_empty(like.shape) if want else like.new_empty(0)
        for like, want in zip(given, _wanted(kind, weights), strict=True)
    ]
    if marks[0] is None:
        samples, time, width = given[0].shape
        found[0] = given[0].new_empty(time, samples, width).transpose(0, 1)
    return found


# ---- under autocast: in the precision of the parameters, so nothing is cast down


def _forward_cast(
    given: Sequence[Tensor], marks: OptionalTensors, key: str, reverse: bool, save: bool
) -> list[Tensor]:
    dtype = kind_by_key(key).dtype
    autocast = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
    with torch._C._ExcludeDispatchKeyGuard(autocast):
        return FORWARD([part.to(dtype) for part in given], marks, key, reverse, save)


def register() -> None:
    """Tell torch what is computed on the CPU, what its shapes are, and in which precision."""
    LIBRARY.impl("recurrence_forward", _forward, "CPU")
    LIBRARY.impl("recurrence_backward", _backward, "CPU")
    torch.library.register_fake(FORWARD, _forward_shapes, lib=LIBRARY)
    torch.library.register_fake(BACKWARD, _backward_shapes, lib=LIBRARY)
    LIBRARY.impl("recurrence_forward", _forward_cast, "AutocastCPU")
