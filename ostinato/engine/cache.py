"""What was traced and compiled in this process, so that each kind of cell is so once.

Two cells share their code where nothing that their step can see differs but the numbers in their
parameters. A cell that holds something we cannot compare shares with nobody.
"""

from functools import lru_cache
from threading import RLock
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn

from ostinato.engine.kinds import Kind, learn
from ostinato.engine.program import CannotCompileError
from ostinato.engine.reading import Steps
from ostinato.engine.stages import Stages
from ostinato.engine.trace import Form

_MOST = 256  # kinds of steps kept
_ONE_AT_A_TIME = RLock()  # torch's tracer and these caches serve one thread at a time


class CellView:
    """A cell as the compiler sees it: its tensors, and what it has in common with others.

    Args:
        cell: any cell of an `unroll`.

    `parameters`: the floating-point tensors that its step may use, by name.
    """

    def __init__(self, cell: Steps) -> None:
        self.cell = cell
        self.parameters: dict[str, Tensor] = {}
        self._shared = True
        likeness = self._look(cast(nn.Module, cell), "")
        self.likeness = likeness if self._shared else (likeness, id(cell))

    @property
    def dtype(self) -> torch.dtype:
        """The kind of number of all parameters.

        Raises:
            CannotCompileError: they are not all of one kind, float32 or float64.
        """
        kinds = {tensor.dtype for tensor in self.parameters.values()}
        if len(kinds) == 1 and (kind := kinds.pop()) in (torch.float32, torch.float64):
            return kind
        said = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds)) or "nothing"
        raise CannotCompileError(f"its parameters are {said}, and must be float32 or float64")

    def target(self) -> Any:
        """The machine to write code for, with the parameters' kind of number."""
        return target_for(self.dtype)

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
            elif _is_plain(value):
                seen.append((name, kind, _comparable(value)))
            else:
                self._shared = False
                seen.append((name, kind))
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or not tensor.is_floating_point():
                    seen.append(name)
                    continue
                self.parameters[prefix + name] = tensor
                seen.append((name, tensor.shape))
        for name, part in module._modules.items():
            if part is not None:
                seen.append((name, self._look(part, f"{prefix}{name}.")))
        return tuple(seen)


def target_for(kind: torch.dtype) -> Any:
    """The machine to write code for, computing with this kind of number."""
    from ostinato.engine.cpu import target

    return target.host_target().with_scalar("float" if kind == torch.float32 else "double")


class _Named:
    """A traced kind of step under its name: equal where the kinds are, so that a cache holds it."""

    def __init__(self, view: CellView, form: Form) -> None:
        self.view = view
        self.form = form
        self.name = (view.likeness, form, view.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def kind_of(view: CellView, form: Form) -> Kind:
    """The traced kind of a cell's step, from the cache or new.

    Raises:
        CannotCompileError: with the reason, which is remembered too.
    """
    with _ONE_AT_A_TIME:
        found = _kind(_Named(view, form))
    if isinstance(found, str):
        raise CannotCompileError(found)
    return found


def stages_of(view: CellView, form: Form) -> Stages:
    """The stages of a cell's step, likewise."""
    return kind_of(view, form).stages


def recurrence_of(kind: Kind, *, backward: bool) -> Any:
    """The `CompiledRecurrence` of a kind of step, from the cache or new."""
    with _ONE_AT_A_TIME:
        return _recurrence(kind, backward)


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
key_while_tracing._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]
problem_while_tracing._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]


def forget() -> None:
    """Trace and compile everything anew from here on."""
    _kind.cache_clear()
    _recurrence.cache_clear()


@lru_cache(maxsize=_MOST)
def _kind(named: _Named) -> Kind | str:
    """The kind, or why there is none; not the exception, which would hold on to its callers."""
    try:
        return learn(named.view.cell, named.view.parameters, named.form)
    except CannotCompileError as problem:
        return str(problem)


@lru_cache(maxsize=_MOST)
def _recurrence(kind: Kind, backward: bool) -> Any:
    from ostinato.engine.cpu.recurrence import CompiledRecurrence

    return CompiledRecurrence(kind.stages.traced, target_for(kind.dtype), backward=backward)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return value is None or isinstance(value, _PLAIN)


def _comparable(value: Any) -> Any:
    """A plain value as it is now, for a name: 0.0 and -0.0 differ, and what can change is copied.

    (torch.compile, too, takes a float that is spelt out for a constant.)
    """
    if isinstance(value, tuple | list):
        return tuple(map(_comparable, value))
    if isinstance(value, dict):
        return tuple((_comparable(key), _comparable(each)) for key, each in value.items())
    return value.hex() if isinstance(value, float) else value


_AS_IT_IS = (type(None), bool, int, str, type, FunctionType, BuiltinFunctionType)
_PLAIN = (bool, int, float, str, type, FunctionType, BuiltinFunctionType)
_TORCH_OWN = frozenset(vars(nn.Module())) - {"training"}
