"""A compiled step as a description that words or a picture can be made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ostinato.engine.explain.formulas import Formula, Name


class Note(NamedTuple):
    """Why a value is stored: words and, where it is in another's memory, that one's name."""

    words: str
    where: Name | None = None

    def __str__(self) -> str:
        return self.words if self.where is None else f"{self.words} {self.where}"


@dataclass(frozen=True)
class Line:
    """A value as a level computes it: `name = formula`, or `name += formula` where `adds`.

    `formula` is None where the name says all: a part of a product's result.
    """

    name: Name
    formula: Formula | None
    notes: tuple[Note, ...] = ()
    adds: bool = False

    @property
    def equation(self) -> str:
        """The value as a person writes it."""
        if self.formula is None:
            return str(self.name)
        return f"{self.name} {'+=' if self.adds else '='} {self.formula}"

    def joined(self, other: "Line") -> "Line | None":
        """Both as one line, where they do the same to two parts of one whole that meet."""
        name, formula = self.name.joined(other.name), self.formula
        if name is None or (self.formula is None) != (other.formula is None):
            return None
        if self.formula is not None and other.formula is not None:
            formula = self.formula.joined(other.formula)
            if formula is None:
                return None
        notes = _joined_notes(self.notes, other.notes)
        return None if notes is None else replace(self, name=name, formula=formula, notes=notes)


class Product(NamedTuple):
    """`name = left @ right`, or `name += left @ right`: `size` features times `columns`."""

    name: str
    left: str
    right: str
    size: int
    columns: int
    adds: bool = False

    @property
    def equation(self) -> str:
        """The product as a person writes it."""
        return f"{self.name} {'+=' if self.adds else '='} {self.left} @ {self.right}"


class Segment(NamedTuple):
    """Products that wait for what came before, then the work on their results, phase by phase.

    `reads`: the names of what it finds in memory.
    """

    products: tuple[Product, ...]
    phases: tuple[tuple[Line, ...], ...]
    reads: tuple[str, ...]


class Kept(NamedTuple):
    """How many numbers a sample's step leaves in memory for the backward pass, and which."""

    what: str
    numbers: int


@dataclass(frozen=True)
class Explanation:
    """A step as it runs: before the loop, in it (forward, then backward), after it."""

    cell: str
    sizes: str
    before: tuple[Product, ...]
    forward: tuple[Segment, ...]
    backward: tuple[Segment, ...]
    after: tuple[Product, ...]
    kept: tuple[Kept, ...]


def merged(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Lines that do the same to the parts of one whole, as one: a value where its first part
    stands, a sum over samples where its last does.
    """
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        formula = None if line.formula is None else line.formula.text
        key = (line.name.base, formula, tuple(note.words for note in line.notes), line.adds)
        if line.adds and key in groups:
            groups[key] = groups.pop(key)
        groups.setdefault(key, []).append(line)
    return tuple(line for group in groups.values() for line in _joined_lines(group))


def _joined_lines(group: Sequence[Line]) -> list[Line]:
    first, *rest = sorted(group, key=lambda line: line.name.start)
    found = [first]
    for line in rest:
        both = found[-1].joined(line)
        found[-1:] = [found[-1], line] if both is None else [both]
    return found


def _joined_notes(some: Sequence[Note], others: Sequence[Note]) -> tuple[Note, ...] | None:
    found = []
    for one, other in zip(some, others, strict=True):
        where = None if one.where is None else one.where.joined(other.where)
        if one.where is not None and where is None:
            return None
        found.append(one._replace(where=where))
    return tuple(found)
