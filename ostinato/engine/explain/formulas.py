"""Formulas that a person reads: of names, and of slices that several names share.

A name is that of the whole to which a value belongs, and which part of it the value is: a gate's
preactivation is `P2[128:256]`. A formula is Python as one would write it; `sigmoid(P1 + P2)[0:128]`
stands for the same slice of both.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ostinato.engine.program import Node

_COMPARISON, _SUM, _PRODUCT, _UNARY, ATOM = range(5)  # how tightly parts of a formula hold together
_INFIX = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("*", _PRODUCT),
    "divide": ("/", _PRODUCT),
    "greater": (">", _COMPARISON),
    "less": ("<", _COMPARISON),
    "greater_equal": (">=", _COMPARISON),
    "less_equal": ("<=", _COMPARISON),
    "equal": ("==", _COMPARISON),
    "not_equal": ("!=", _COMPARISON),
    "and": ("&", _COMPARISON),
    "or": ("|", _COMPARISON),
}
_REGROUPED = ("+", "*")  # a + (b + c) is written without its parentheses
_CALLED = {"absolute": "abs", "maximum": "max", "minimum": "min"}

Part = tuple[int, int, int]
"""A slice: where it starts, how wide it is, and how wide the whole."""


class Name(NamedTuple):
    """A value's name: `width` features of `base`, from `start` on, out of `whole`."""

    base: str
    start: int
    width: int
    whole: int

    def __str__(self) -> str:
        return self.base + _slice_text(self.start, self.width, self.whole)

    def joined(self, other: "Name | None") -> "Name | None":
        """This part and the one that follows it as one, or None if they do not meet."""
        if other is None or (self.base, self.whole) != (other.base, other.whole):
            return None
        if self.start + self.width != other.start:
            return None
        return self._replace(width=self.width + other.width)


class Formula(NamedTuple):
    """`text` over whole names, of which the formula is the slice `part`; None: one number a row.

    `binding` says which operators it may stand beside unbracketed; `negated`: it is -x, all of it.
    """

    text: str
    binding: int
    part: Part | None
    negated: bool = False

    def __str__(self) -> str:
        return self.closed().text

    def closed(self) -> "Formula":
        """The same with its slice written out."""
        if self.part is None or self.part[1] == self.part[2]:
            return self
        text = self.within(ATOM) + _slice_text(*self.part)
        return Formula(text, ATOM, (0, self.part[1], self.part[1]))

    def within(self, binding: int) -> str:
        """The text, in parentheses where it would fall apart."""
        return self.text if self.binding >= binding else f"({self.text})"

    def joined(self, other: "Formula") -> "Formula | None":
        """The same formula of two parts that meet, or None if they do not."""
        if self.part is None or other.part is None:
            return self if self.part == other.part else None
        start, width, whole = self.part
        if self.text != other.text or (start + width, whole) != (other.part[0], other.part[2]):
            return None
        return self._replace(part=(start, width + other.part[1], whole))


def number_formula(value: float) -> Formula:
    """A constant."""
    text = str(int(value)) if float(value).is_integer() else f"{float(value):g}"
    return Formula(text, ATOM if value >= 0 else _SUM, None)


def name_formula(name: Name) -> Formula:
    """What has a name; a whole of width 1 is one number a row."""
    part = None if name.whole == 1 else (name.start, name.width, name.whole)
    return Formula(name.base, ATOM, part)


def sum_formula(parts: Sequence[Formula]) -> Formula:
    """The sum over all features of pieces side by side: of a whole, where they are its slices."""
    places = [part.part for part in parts]
    text = " + ".join(f"sum({part})" for part in parts)
    if len({part.text for part in parts}) == 1 and None not in places:
        ordered = sorted(place for place in places if place is not None)
        meets = all(a[0] + a[1] == b[0] for a, b in pairwise(ordered))
        if meets and sum(width for _, width, _ in ordered) == ordered[0][2]:
            text = f"sum({parts[0].text})"
    return Formula(text, ATOM if len(parts) == 1 else _SUM, None)


def map_formula(node: Node, arguments: Sequence[Formula]) -> Formula:
    """An element-wise operation, given what it acts on."""
    parts, part = _aligned(arguments)
    operation, first = node.label, parts[0]
    if operation == "copy":
        return first._replace(part=part)
    if operation == "negate":
        return Formula(f"-{first.within(_PRODUCT)}", _SUM, part, negated=True)
    if operation == "not":
        return Formula(f"~{first.within(ATOM)}", _UNARY, part)
    if operation == "multiply" and node.arguments[0] is node.arguments[1]:
        return Formula(f"{first.within(ATOM)}**2", _UNARY, part)
    if operation in _INFIX:
        left, right = parts
        return _infix(*_INFIX[operation], left, right, part)
    name = _CALLED.get(operation, operation)
    return Formula(f"{name}({', '.join(part.text for part in parts)})", ATOM, part)


def _infix(sign: str, binding: int, left: Formula, right: Formula, part: Part | None) -> Formula:
    if sign == "+" and right.negated:
        sign, right = "-", _without_sign(right)
    elif sign == "+" and left.negated:
        sign, left, right = "-", right, _without_sign(left)
    loose = binding + (binding == _COMPARISON)
    tight = loose if sign in _REGROUPED else binding + 1
    return Formula(f"{left.within(loose)} {sign} {right.within(tight)}", binding, part)


def _without_sign(formula: Formula) -> Formula:
    return Formula(formula.text[1:], _PRODUCT, formula.part)


def _aligned(parts: Sequence[Formula]) -> tuple[list[Formula], Part | None]:
    """The parts of a formula with the slice that they share, or each with its own."""
    slices = {part.part for part in parts if part.part is not None}
    if len(slices) <= 1:
        return list(parts), next(iter(slices), None)
    width = max(width for _, width, _ in slices)
    return [part.closed() for part in parts], (0, width, width)


def _slice_text(start: int, width: int, whole: int) -> str:
    return "" if width == whole else f"[{start}:{start + width}]"
