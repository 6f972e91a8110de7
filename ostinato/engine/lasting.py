"""Names for the steps of our own cells that mean the same in every process, so that what was traced
can be kept on the disk.

A name holds the code: a digest of this package's files, torch's version, and which of the
package's classes and functions a cell is made of. A cell with anything of a person's own has no
such name: its code may change, or depend on what no name can tell.
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

_OURS, _IMPORTED = Path(__file__).parents[1], time.time()
_FIXED = {"ostinato", "torch", *sys.stdlib_module_names}


def lasting_name(name: Any) -> str | None:
    """The name of a cell's step (`CellView.name`) as a word of 64 letters, the same wherever the
    code is; None where it holds something that is neither ours nor torch's.
    """
    code = _code()
    if code is None:
        return None
    try:
        text = _text_of(name)
    except _OfAPersonError:
        return None
    return hashlib.sha256(f"{code}\0{text}".encode()).hexdigest()


class _OfAPersonError(Exception):
    """A value whose code or meaning is not fixed by a version of this package and of torch."""


@cache
def _code() -> str | None:
    """What all steps are traced by: this package's files, torch and Python. None where there are no
    such files, or one was changed since they were imported.
    """
    digest, files = hashlib.sha256(), sorted(_OURS.rglob("*.py"))
    if not files or any(file.stat().st_mtime > _IMPORTED for file in files):
        return None
    for file in files:
        contents = file.read_bytes()
        digest.update(f"{file.relative_to(_OURS)}\0{len(contents)}\0".encode() + contents)
    return f"{digest.hexdigest()} {torch.__version__} {sys.version}"


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
    for each in kind.__mro__:
        for member in vars(each).values():
            if isinstance(member, FunctionType) and not _is_fixed(member.__module__):
                raise _OfAPersonError
    return _place_of(kind)


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
