"""What was traced and compiled in this process, so that each kind of cell is so once.

Two cells share their code where nothing that their step can see differs but the numbers in their
parameters. A cell that holds something we cannot compare shares with nobody.
"""

from functools import lru_cache
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn

from ostinato.engine.program import CannotCompileError
from ostinato.engine.reading import Steps
from ostinato.engine.stages import Stages, cut_into_stages
from ostinato.engine.trace import Form, trace

_MOST = 256  # kinds of steps kept


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
        self.likeness = likeness if self._shared else id(cell)

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
        from ostinato.engine.cpu import target

        return target.host_target().with_scalar(
            "float" if self.dtype == torch.float32 else "double"
        )

    def _look(self, module: nn.Module, prefix: str) -> Any:
        """What two modules must have in common to compute the same from the same parameters."""
        seen: list[Any] = [type(module)]
        for name, value in vars(module).items():
            if name in _TORCH_OWN:
                continue
            if not _is_plain(value):
                self._shared = False
            # 1, True and 1.0 are equal, and not alike.
            seen.append((name, type(value), value if _is_plain(value) else None))
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


def stages_of(view: CellView, form: Form) -> Stages:
    """The stages of a cell's step, from the cache or new.

    Raises:
        CannotCompileError: with the reason, which is remembered too.
    """
    found = _stages(_Named(view, form))
    if isinstance(found, CannotCompileError):
        raise found
    return found


def recurrence_of(view: CellView, form: Form, *, backward: bool) -> Any:
    """The `CompiledRecurrence` of a cell's step, from the cache or new."""
    return _recurrence(_Named(view, form), backward)


def forget() -> None:
    """Trace and compile everything anew from here on."""
    _stages.cache_clear()
    _recurrence.cache_clear()


@lru_cache(maxsize=_MOST)
def _stages(named: _Named) -> Stages | CannotCompileError:
    try:
        traced = trace(named.view.cell, named.view.parameters, named.form)
        return cut_into_stages(traced, backward=True)
    except CannotCompileError as problem:
        return problem


@lru_cache(maxsize=_MOST)
def _recurrence(named: _Named, backward: bool) -> Any:
    from ostinato.engine.cpu.recurrence import CompiledRecurrence

    traced = stages_of(named.view, named.form).traced
    return CompiledRecurrence(traced, named.view.target(), backward=backward)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, _PLAIN)


_PLAIN = (bool, int, float, str, type, FunctionType, BuiltinFunctionType)
_TORCH_OWN = frozenset(vars(nn.Module())) - {"training"}
