"""Names for the steps of our own cells that mean the same in every process, so that what was traced
can be kept on the disk.

A name holds the code: a digest of this package's files, torch's version, and which of the
package's classes and functions a cell is made of. A cell with anything of a person's own has no
such name: its code may change, or depend on what no name can tell. Nor has any cell where a person
put a function in the place of one of ours or of torch's.
"""

import hashlib
import sys
import time
from enum import Enum
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import nn

_OURS, _IMPORTED = Path(__file__).parents[1], time.time()
_FIXED = {"ostinato", "torch", *sys.stdlib_module_names}
_ROOMS = ("ostinato.state", "ostinato.engine", "ostinato.cells")
"""What a step and its trace are made of."""


def lasting_name(name: Any) -> str | None:
    """The name of a cell's step (`CellView.name`) as a word of 64 letters, the same wherever the
    code is; None where it holds something that is neither ours nor torch's.
    """
    code = _code()
    if code is None or not _is_as_written():
        return None
    try:
        text = _text_of(name)
    except _OfAPersonError:
        return None
    return hashlib.sha256(f"{code}\0{text}".encode()).hexdigest()


def _is_as_written() -> bool:
    """Whether no function that a step may call was replaced: in this package, or in torch."""
    ours = [module for name, module in list(sys.modules.items()) if name.startswith(_ROOMS)]
    return all(map(_is_untouched, (*ours, torch, nn.functional, torch.Tensor)))


class _OfAPersonError(Exception):
    """A value whose code or meaning is not fixed by a version of this package and of torch."""


@cache
def _code() -> str | None:
    """What all steps are traced by: this package's files, torch and Python. None where there are no
    such files, or one was changed since they were imported.
    """
    digest, files = hashlib.sha256(), sorted(_OURS.rglob("*.py"))
    if not files or any(map(_is_newer, files)):
        return None
    for file in files:
        contents = file.read_bytes()
        digest.update(f"{file.relative_to(_OURS)}\0{len(contents)}\0".encode() + contents)
    return f"{digest.hexdigest()} {torch.__version__} {sys.version}"


def _is_newer(file: Path) -> bool:
    """Whether a file was changed since the import, or another put in its place, however old."""
    found = file.stat()
    return max(found.st_mtime, found.st_ctime) > _IMPORTED


def _text_of(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{_class_text(type(value))} {value.name}"
    if value is None or isinstance(value, bool | int | str | torch.dtype | torch.Size):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, type):
        return _class_text(value)
    if isinstance(value, FunctionType):
        return _place_of(value)
    if isinstance(value, BuiltinFunctionType) and getattr(torch, value.__name__, None) is value:
        return f"torch.{value.__name__}"
    if isinstance(value, frozenset):
        return f"{{{' '.join(sorted(map(_text_of, value)))}}}"
    if isinstance(value, tuple):
        return f"({' '.join(map(_text_of, value))})"
    raise _OfAPersonError


def _class_text(kind: type) -> str:
    """Where a class stands, if it and what it is derived from are as they were written."""
    if not all(map(_is_untouched, kind.__mro__)):
        raise _OfAPersonError
    return _place_of(kind)


def _is_untouched(place: Any) -> bool:
    """Whether all functions and properties of a class or module are ours, torch's or Python's."""
    for name, member in list(vars(place).items()):  # others may import meanwhile
        function = member.fget if isinstance(member, property) else member
        if isinstance(function, staticmethod | classmethod) and name != "__new__":
            function = function.__func__  # `__new__` of a named tuple has a module of its own
        if isinstance(function, FunctionType) and not _is_fixed(function.__module__):
            return False
    return True


def _place_of(value: Any) -> str:
    """The module and name where a class or function is found."""
    module, name = value.__module__, value.__qualname__
    if module == "builtins":  # some, like the class of None, are not found by their name
        return name
    if not _is_fixed(module):
        raise _OfAPersonError
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value:
        raise _OfAPersonError
    return f"{module}.{name}"


def _is_fixed(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in _FIXED
