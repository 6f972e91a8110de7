"""What was traced and compiled in this process, so that each kind of cell is so once.

Two cells share their code where nothing that their step can see differs but the numbers in their
parameters. A cell that holds something we cannot compare shares with nobody.
"""

import os
import warnings
from collections.abc import Callable
from threading import RLock
from types import BuiltinFunctionType, FunctionType
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from ostinato.engine.kinds import Kind, learn
from ostinato.engine.lasting import lasting_name
from ostinato.engine.likeness import comparable, identity, is_plain
from ostinato.engine.precision import Products, autocast_rounds
from ostinato.engine.program import CannotCompileError
from ostinato.engine.reading import Steps
from ostinato.engine.stages import Stages
from ostinato.engine.trace import Form

T = TypeVar("T")
_MOST = 256  # kinds of steps kept
_ONE_AT_A_TIME = RLock()  # torch's tracer serves one thread at a time


class _Kept(Generic[T]):
    """What was made for each name. Found without waiting, made on one thread at a time; the oldest
    go where there are too many.
    """

    def __init__(self) -> None:
        self._made: dict[Any, T] = {}

    def get(self, name: Any, make: Callable[..., T], *arguments: Any) -> T:
        found = self._made.get(name)
        if found is None:
            with _ONE_AT_A_TIME:
                found = self._made.get(name)
                if found is None:
                    found = make(*arguments)
                    while len(self._made) >= _MOST:
                        del self._made[next(iter(self._made))]
                    self._made[name] = found
        return found

    def known(self, name: Any) -> T | None:
        """What was made for this name, if it was."""
        return self._made.get(name)

    def clear(self) -> None:
        self._made.clear()


_KINDS: _Kept[Kind | str] = _Kept()
_RECURRENCES: _Kept[Any] = _Kept()

if hasattr(os, "register_at_fork"):
    # A process forked while another thread traces would wait for that thread, which it has not.
    os.register_at_fork(
        before=_ONE_AT_A_TIME.acquire,
        after_in_parent=_ONE_AT_A_TIME.release,
        after_in_child=_ONE_AT_A_TIME.release,
    )


class CellView:
    """A cell as the compiler sees it: its tensors, and what it has in common with others.

    Args:
        cell: any cell of an `unroll`.

    `parameters`: the floating-point tensors that its step may use, by name; `hooked`: a module
    within that does more than its `forward`, by name, or None.
    """

    def __init__(self, cell: Steps) -> None:
        self.cell = cell
        self.parameters: dict[str, Tensor] = {}
        self.hooked: str | None = None
        self._odd: list[Any] = []  # what cannot be compared
        likeness = self._look(cast(nn.Module, cell), "")
        self.likeness = (likeness, id(cell)) if self._odd else likeness

    @property
    def dtype(self) -> torch.dtype:
        """The kind of number of all parameters.

        Raises:
            CannotCompileError: they are not all of one kind, float32 or float64.
        """
        kinds = {tensor.dtype for tensor in self.parameters.values()}
        if len(kinds) == 1 and (kind := next(iter(kinds))) in (torch.float32, torch.float64):
            return kind
        said = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds)) or "nothing"
        raise CannotCompileError(f"its parameters are {said}, and must be float32 or float64")

    def rounds_products(self, products: Products | None) -> bool:
        """Whether factors are rounded to bfloat16: asked for, or by autocast to it."""
        if products is not None:
            return products == "bfloat16"
        return autocast_rounds() and all(
            tensor.dtype == torch.float32 for tensor in self.parameters.values()
        )

    def target(self) -> Any:
        """The machine to write code for, with the parameters' kind of number."""
        return target_for(self.dtype)

    def name(self, form: Form) -> Any:
        """A name for the cell's step in this form, that only those alike share."""
        kind = type(self.cell)
        shared = (self.likeness, kind.step, kind.project, form, self.dtype)
        if not self._odd:
            return shared
        return (*shared, identity(self.cell), *map(identity, self._odd))

    def _look(self, module: nn.Module, prefix: str) -> Any:
        """What two modules must have in common to compute the same from the same parameters."""
        seen: list[Any] = [type(module)]
        for name, value in vars(module).items():
            if name in _TORCH_OWN:
                continue
            kind = type(value)
            # 1, True and 1.0 are equal, and not alike.
            if kind in _AS_IT_IS:
                seen.append((name, kind, value))
            elif is_plain(value):
                seen.append((name, comparable(value)))
            else:
                self._odd.append(value)
                seen.append((name, kind))
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None:
                    seen.append(name)
                elif tensor.is_floating_point():
                    self.parameters[prefix + name] = tensor
                    seen.append((name, tensor.shape))
                else:  # its numbers cannot be had in compiled code
                    seen.append((name, tensor.dtype, tensor.shape))
        for name, part in module._modules.items():
            if part is not None:
                if part._forward_hooks or part._forward_pre_hooks or part._backward_hooks:
                    self.hooked = prefix + name
                seen.append((name, type(part).forward, self._look(part, f"{prefix}{name}.")))
        return tuple(seen)


def machine_obstacle() -> str | None:
    """Why this machine can write no code, or None where it can."""
    from ostinato.engine.cpu import target

    return target.host_obstacle()


def target_for(kind: torch.dtype) -> Any:
    """The machine to write code for, computing with this kind of number."""
    from ostinato.engine.cpu import target

    return target.host_target().with_scalar("float" if kind == torch.float32 else "double")


def kind_of(view: CellView, form: Form) -> Kind:
    """The traced kind of a cell's step, from the cache or new.

    Raises:
        CannotCompileError: with the reason, which is remembered too.
    """
    found = _KINDS.get(view.name(form), _learnt, view, form)
    if isinstance(found, str):
        raise CannotCompileError(found)
    return found


def stages_of(view: CellView, form: Form) -> Stages:
    """The stages of a cell's step, likewise."""
    return kind_of(view, form).stages


def recurrence_of(kind: Kind, *, backward: bool) -> Any:
    """The `CompiledRecurrence` of a kind of step, from the cache or new.

    Raises:
        CannotCompileError: no machine code could be made of it; that is remembered too.
    """
    found = _RECURRENCES.get((kind, backward), _compiled, kind, backward)
    if isinstance(found, str):
        raise CannotCompileError(found)
    return found


def emission_problem(kind: Kind) -> str | None:
    """Why no machine code could be made of a kind of step; None where it was not tried or is."""
    for backward in (False, True):
        found = _RECURRENCES.known((kind, backward))
        if isinstance(found, str):
            return found
    return None


def key_while_tracing(cell: Steps, likeness: Any, *form: Any) -> str:
    """The key of a cell's step, for torch.compile: a constant of the graph, found outside it.

    `likeness` is not used: that it was read while tracing has the graph made anew where it changes.
    The form comes in its parts, as torch.compile hands on an empty one for a named tuple.
    """
    return kind_of(CellView(cell), Form(*form)).key


def problem_while_tracing(cell: Steps, likeness: Any, *form: Any) -> str:
    """Why a cell's step cannot be compiled, likewise; empty where it can."""
    try:
        kind_of(CellView(cell), Form(*form))
    except CannotCompileError as problem:
        return str(problem)
    return ""


# What `torch.compiler.assume_constant_result` does, without importing the whole of torch.compile.
machine_obstacle._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]
key_while_tracing._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]
problem_while_tracing._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]


def forget() -> None:
    """Trace and compile everything anew from here on."""
    _KINDS.clear()
    _RECURRENCES.clear()


def _learnt(view: CellView, form: Form) -> Kind | str:
    """The kind, or why there is none; not the exception, which would hold on to its callers."""
    try:
        return learn(view.cell, view.parameters, form, lasting_name(view.name(form)))
    except CannotCompileError as problem:
        return str(problem)


def _compiled(kind: Kind, backward: bool) -> Any:
    """The recurrence, or why there is none: a fault in the emitter must not stop a user's work."""
    from ostinato.engine.cpu.recurrence import CompiledRecurrence

    try:
        return CompiledRecurrence(
            kind.stages.traced,
            target_for(kind.dtype),
            backward=backward,
            operand="bfloat16" if kind.form.rounded else "same",
        )
    except (MemoryError, RecursionError):
        raise
    except Exception as problem:
        said = f"{type(problem).__name__}: {problem}".splitlines()[0]
        name = type(kind.cell).__name__
        warnings.warn(
            f"no machine code could be made of the step of {name} ({said}). It runs on another, "
            "slower engine; this is a fault in ostinato's compiler: please report it with the cell",
            stacklevel=2,
        )
        return f"no machine code could be made of its step ({said})"


_AS_IT_IS = (type(None), bool, int, str, type, FunctionType, BuiltinFunctionType)
_TORCH_OWN = frozenset(vars(nn.Module())) - {"training"}
