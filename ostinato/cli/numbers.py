"""Numbers as typed: what is none is refused in the words in which the settings refuse it."""

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

_KINDS = {int: "a valid integer", float: "a valid number"}


def numbers_in_words() -> ConstructorRegistry:
    """Rules for numbers, for a number or None, and for several; active within a `with`.

    tyro's own would tell of its types and of pydantic's.
    """
    registry = ConstructorRegistry()
    registry.primitive_rule(_one_number)
    registry.primitive_rule(_several_numbers)
    return registry


def _one_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """`int` or `float`, and either of them or None."""
    kinds = {_bare(option) for option in _options(info.type)}
    may_be_none = NoneType in kinds
    (kind, *others) = kinds - {NoneType} or {NoneType}
    if others or kind not in _KINDS:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{None}|" * may_be_none + kind.__name__.upper(),
        instance_from_str=lambda typed: (
            None if may_be_none and typed == ["None"] else _number(typed[0], kind)
        ),
        is_instance=lambda value: (may_be_none and value is None) or isinstance(value, int | float),
        str_from_instance=lambda value: [str(value)],
    )


def _several_numbers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """`tuple[int, ...]` and `tuple[float, ...]`."""
    if info.type_origin is not tuple or _bare(get_args(info.type)[0]) not in _KINDS:
        return None
    kind = _bare(get_args(info.type)[0])
    name = kind.__name__.upper()
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"[{name} [{name} ...]]",
        instance_from_str=lambda typed: tuple(_number(word, kind) for word in typed),
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [str(number) for number in value],
    )


def _options(annotation: Any) -> tuple[Any, ...]:
    """The types that a union allows; a type that is none, by itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _bare(annotation: Any) -> Any:
    """A type without what is annotated to it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _number(typed: str, kind: Any) -> Any:
    try:
        return kind(typed)
    except ValueError:
        raise ValueError(f"it must be {_KINDS[kind]}, got {typed!r}") from None
