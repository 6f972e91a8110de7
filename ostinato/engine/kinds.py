"""Kinds of steps, each known by a key, so that a graph can name in one word what it runs.

The key is the cell's name and a hash of the traced program: the same step gets the same key in
every process. Modules keep no key. They are traced where they run, so that a module read from a
file, copied, or sent to another process needs nothing; a graph that was sent alone finds its key
where a layer of that kind has run.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ostinato.engine.disk import keep, own_folder, read_kept
from ostinato.engine.effects import without_effects
from ostinato.engine.likeness import is_plain
from ostinato.engine.program import Node, Row
from ostinato.engine.reading import Steps
from ostinato.engine.stages import Stages, cut_into_stages
from ostinato.engine.trace import Form, TracedStep, trace
from ostinato.engine.trace_text import text_of, traced_from
from ostinato.errors import EngineError

_KNOWN: dict[str, "Kind"] = {}


@dataclass(frozen=True, eq=False)
class Kind:
    """What all cells with the same step, form and kind of number share.

    `cell`: one of them, without its numbers, for the reference; `shapes`: of its parameters.
    """

    key: str
    cell: Steps
    form: Form
    dtype: torch.dtype
    shapes: Mapping[str, tuple[int, ...]]
    stages: Stages

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in order."""
        return tuple(self.shapes)


def learn(cell: Steps, parameters: Mapping[str, Tensor], form: Form, lasting: str | None) -> Kind:
    """Trace a step, and remember it under its key. One thread at a time.

    Args:
        cell: any cell of an `unroll`.
        parameters: its tensors by name, all of one floating-point kind.
        form: what the step is traced with.
        lasting: its name (`lasting_name`), under which it is kept on the disk; None: it is not.

    Raises:
        CannotCompileError: with the reason.
    """
    dtype = next(iter(parameters.values())).dtype
    shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    with by_itself():
        twin = without_numbers(cell)
        path = _path_of(lasting)
        stored = None if path is None else read_kept(path)
        if stored is not None:
            traced = traced_from(stored.decode())
        else:
            traced = _traced(cell, twin, parameters, form)
            if path is not None:
                keep(path, text_of(traced).encode())
        stages = cut_into_stages(traced, backward=True)
    key = f"{type(cell).__name__}:{_hash_of(traced, dtype, shapes)}"
    return _KNOWN.setdefault(key, Kind(key, twin, form, dtype, shapes, stages))


def kind_by_key(key: str) -> Kind:
    """The kind of this key.

    Raises:
        EngineError: no cell of this kind has run in this process.
    """
    if key not in _KNOWN:
        known = ", ".join(sorted(_KNOWN)) or "none"
        raise EngineError(
            f"a graph asks for the compiled recurrence {key!r}, which this process has not traced; "
            f"run a layer with that cell once, on inputs of any length, before the graph "
            f"(if it was traced by another version, export it anew); known here: {known}"
        )
    return _KNOWN[key]


def _traced(cell: Steps, twin: Steps, parameters: Mapping[str, Tensor], form: Form) -> TracedStep:
    examples = {
        name: torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
        for name, tensor in parameters.items()
    }
    others = {
        name: torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
        for name, tensor in cast(nn.Module, cell).named_buffers(remove_duplicate=False)
        if name not in examples
    }
    return without_effects(cast(nn.Module, twin), lambda: trace(twin, examples, form, others))


def _path_of(lasting: str | None) -> Path | None:
    """Where what is traced under this name lies on the disk; None where it is not kept."""
    folder = None if lasting is None else own_folder("steps")
    return None if folder is None or lasting is None else folder / lasting


def without_numbers(cell: Steps) -> Any:
    """The same module, with empty tensors for its numbers, and lists and the like of its own."""
    return _twin(cast(nn.Module, cell))


def _twin(module: nn.Module) -> nn.Module:
    twin = object.__new__(type(module))
    vars(twin).update(
        (name, copy.deepcopy(value) if isinstance(value, _CHANGING) and is_plain(value) else value)
        for name, value in vars(module).items()
    )
    vars(twin).update(
        _parameters={name: _empty(part) for name, part in module._parameters.items()},
        _buffers={name: _empty(part) for name, part in module._buffers.items()},
        _modules={
            name: None if part is None else _twin(part) for name, part in module._modules.items()
        },
    )
    return twin


def _empty(tensor: Tensor | None) -> Tensor | None:
    if tensor is None or tensor.is_meta:
        return tensor
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return nn.Parameter(empty) if tensor.is_floating_point() else empty


_CHANGING = (list, dict, set, tuple)


@contextmanager
def by_itself() -> Iterator[None]:
    """Undisturbed by whatever is tracing, transforming or casting around the call."""
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
    from torch._guards import tracing
    from torch.utils._python_dispatch import (
        _disable_current_modes,  # pyright: ignore[reportPrivateUsage]
    )

    with (
        _without_saving_hooks(),
        torch.autograd.set_detect_anomaly(False),
        tracing(None),
        _disable_current_modes(),
        torch._C.DisableTorchFunction(),
        temporarily_clear_interpreter_stack(),
        torch.inference_mode(False),
        torch.autocast("cpu", enabled=False),
    ):
        yield


@contextmanager
def _without_saving_hooks() -> Iterator[None]:
    """Without the hooks of checkpointing and offloading, which torch.func does not bear."""
    hooks: Any = torch._C._autograd  # pyright: ignore[reportAttributeAccessIssue]
    taken = []
    while (pair := hooks._top_saved_tensors_default_hooks(True)) is not None:
        taken.append(pair)
        hooks._pop_saved_tensors_default_hooks()
    try:
        yield
    finally:
        for pair in reversed(taken):
            hooks._push_saved_tensors_default_hooks(*pair)


def _hash_of(traced: TracedStep, *more: Any) -> str:
    rows = (
        traced.output,
        traced.states,
        traced.input_gradient,
        traced.state_gradients,
        traced.initial_gradients,
        tuple(traced.parameter_gradients.items()),
        traced.watched,
    )
    text = "\n".join(map(repr, traced.program.nodes)) + _said((rows, tuple(traced.form), more))
    return sha256(text.encode()).hexdigest()[:16]


def _said(value: Any) -> str:
    """A value's text, the same in every process."""
    if isinstance(value, Node):
        return f"%{value.number}"
    if isinstance(value, Row):
        return _said(value.pieces)
    if isinstance(value, tuple):
        return f"({' '.join(map(_said, value))})"
    return repr(value)
