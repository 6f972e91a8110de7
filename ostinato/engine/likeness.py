"""Which values of a cell can be compared with another's, and what they have in common."""

import weakref
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch

_ATOMS = (bool, int, float, str, type, FunctionType, BuiltinFunctionType, Enum, torch.dtype)
_MANY = (tuple, list, set, frozenset)


def is_plain(value: Any) -> bool:
    """Whether two such values compute the same wherever they are `comparable` alike."""
    if isinstance(value, _MANY):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(map(is_plain, value)) and all(map(is_plain, value.values()))
    return value is None or isinstance(value, _ATOMS)


def comparable(value: Any) -> Any:
    """A plain value as it is now, for a name: equal only if alike.

    1, True and 1.0 are equal, as are 0.0 and -0.0, and none is like another; what can change is
    copied. (torch.compile, too, takes a float that is spelt out for a constant.)
    """
    kind = type(value)
    if isinstance(value, set | frozenset):
        return (kind, frozenset(map(comparable, value)))
    if isinstance(value, _MANY):
        return (kind, tuple(map(comparable, value)))
    if isinstance(value, dict):
        return (kind, tuple((comparable(key), comparable(each)) for key, each in value.items()))
    return (kind, value.hex() if isinstance(value, float) else value)


def identity(value: Any) -> Any:
    """A name for one object that nothing else will ever have, and that does not keep it alive.

    What it holds, if that is plain, is a part of its name.
    """
    held = held_by(value)
    return _Itself(value) if held is None else (_Itself(value), comparable(held))


def held_by(value: Any) -> dict[str, Any] | None:
    """The attributes of an object, where they are plain; None where they are not or it has none."""
    attributes = getattr(value, "__dict__", None)
    return attributes if isinstance(attributes, dict) and is_plain(attributes) else None


class _Itself:
    """One object: equal to itself as long as it lives (for ever, if it takes no weak reference)."""

    def __init__(self, value: Any) -> None:
        self.number = id(value)
        try:
            self.referent: Any = weakref.ref(value)
        except TypeError:
            self.referent = lambda: value

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, _Itself) or self.number != other.number:
            return False
        mine = self.referent()
        return mine is not None and mine is other.referent()

    def __hash__(self) -> int:
        return self.number
