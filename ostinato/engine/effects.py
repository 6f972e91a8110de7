"""What a step does besides computing. Compiled code does not run the step again, so whatever a step
leaves behind would be left once instead of once a step: such a step is refused.
"""

import copy
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from ostinato.engine.likeness import comparable, held_by, identity, is_plain
from ostinato.engine.program import CannotCompileError

T = TypeVar("T")
_TORCH_OWN = frozenset(vars(nn.Module()))


def without_effects(twin: nn.Module, run: Callable[[], T]) -> T:
    """What `run` returns, if it leaves nothing on the twin of a cell that it works on.

    Args:
        twin: a copy of the cell for this purpose, with what it holds in lists and the like its own.
        run: traces the step of the twin.

    Raises:
        CannotCompileError: with the name of what changed and, where it is known, the line.
    """
    before, held = _contents(twin), list(_held(twin))
    try:
        try:
            result = run()
        except _ReboundError as problem:
            raise CannotCompileError(
                f"{problem}{_line_that_sets(twin, problem.name, run)}"
            ) from problem
        after = _contents(twin)
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        if changed:
            line = _line_that_sets(twin, changed[0], run)
            raise CannotCompileError(f"the step changes {changed[0]!r} of its cell{line}")
    finally:
        # What a person's own object holds is not copied for the twin, so it is put back.
        for attributes, kept in held:
            if attributes != kept:
                attributes.clear()
                attributes.update(kept)
    return result


def refuse_rebinding(given: Mapping[str, Tensor], left: Mapping[str, Tensor]) -> None:
    """Raise CannotCompileError if a step has put another tensor in the place of one of its own."""
    for name, tensor in given.items():
        if left[name] is not tensor:
            raise _ReboundError(name)


class _ReboundError(CannotCompileError):
    def __init__(self, name: str) -> None:
        super().__init__(f"the step changes {name!r} of its cell")
        self.name = name


def refuse_writing(graph: GraphModule, names: Sequence[str], line_of: Callable[[Any], str]) -> None:
    """Raise CannotCompileError if a traced step changes in place what it was given.

    Args:
        graph: as make_fx made it, before anything is eliminated.
        names: of its placeholders, in words.
        line_of: the line of the step that a node of the graph comes from.
    """
    owners: dict[int, str] = {}
    given = iter(names)
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            owners[_memory_of(node)] = next(given)
            continue
        for argument in _written(node):
            owner = owners.get(_memory_of(argument))
            if owner is not None:
                raise CannotCompileError(f"the step changes {owner} in place{line_of(node)}")


def line_of_exception(problem: BaseException) -> str:
    """ " (file, line N: source)" of the step's line that raised it, or ""."""
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(problem.__traceback__)]
    own = [place for place in places if _is_a_person_s(place[0])]
    return _said(*own[-1]) if own else ""


def _is_a_person_s(file: str) -> bool:
    """Whether this is neither torch's nor the engine's file."""
    folders = (Path(torch.__file__).parent, Path(__file__).parent)
    return Path(file).is_file() and not any(folder in Path(file).parents for folder in folders)


def _said(file: str, line: int) -> str:
    return f" ({file}, line {line}: {linecache.getline(file, line).strip()})"


def _written(node: Any) -> Iterator[Any]:
    """The arguments that an operation writes to."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return
    for argument, value in zip(schema.arguments, node.args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield value


def _memory_of(node: Any) -> int:
    value = getattr(node, "meta", {}).get("val")
    return value.untyped_storage()._cdata if isinstance(value, Tensor) else 0


def _contents(module: nn.Module, prefix: str = "") -> dict[str, Any]:
    """Everything that hangs on a module and is no tensor with a name, as it is now."""
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        if name not in _TORCH_OWN or name == "training":
            found[prefix + name] = comparable(value) if is_plain(value) else identity(value)
    for name in (*module._parameters, *module._buffers):
        found[prefix + name] = Tensor
    for name, part in module._modules.items():
        found[prefix + name] = type(part)
        if part is not None:
            found |= _contents(part, f"{prefix}{name}.")
    return found


def _held(twin: nn.Module) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What objects on the twin hold, each with a copy of that."""
    for module in twin.modules():
        for name, value in vars(module).items():
            if name not in _TORCH_OWN and not is_plain(value):
                attributes = held_by(value)
                if attributes:
                    yield attributes, copy.deepcopy(attributes)


def _line_that_sets(twin: nn.Module, name: str, run: Callable[[], Any]) -> str:
    """ " (file, line N: source)" of the line that sets this attribute, or ""."""
    lines: list[str] = []
    path, _, attribute = name.rpartition(".")
    module = twin.get_submodule(path)
    kind = type(module)

    def record(self: Any, name: str, value: Any) -> None:
        caller = sys._getframe(1)
        file, line = caller.f_code.co_filename, caller.f_lineno
        if name == attribute and _is_a_person_s(file):
            lines.append(_said(file, line))
        super(watching, self).__setattr__(name, value)

    make: Any = type(kind)
    watching: Any = make(kind.__name__, (kind,), {"__setattr__": record})
    module.__class__ = watching
    try:
        with suppress(CannotCompileError):
            run()
    finally:
        module.__class__ = kind
    return lines[0] if lines else ""
