"""The small program that a cell's step becomes: values of one row of the batch, and how they arise.

A node is a value of one sample at one time step, `width` numbers wide; width 1 is a scalar of the
row. Equal nodes are one node. The operations:

    input     a piece of a buffer that is in memory before the step; label = (buffer, offset)
    vector    a piece of a parameter that all rows share; label = (name, offset)
    constant  a number; label is the number
    zero      nothing flows here: what autograd puts where a value has no influence
    product   the row `arguments` (pieces side by side) times a weight matrix; label is the Matrix
    part      a piece of a product's result; label = offset
    map       an element-wise operation, named by its label
    sum       the sum over all features of its pieces; width 1
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from ostinato.errors import OstinatoError

TRUTHS = (
    "greater",
    "less",
    "greater_equal",
    "less_equal",
    "equal",
    "not_equal",
    "and",
    "or",
    "not",
)
GRADIENT_LETTERS = "GD"  # the buffers whose names begin so bring gradients


class CannotCompileError(OstinatoError, NotImplementedError):
    """A step holds something that the compiler does not know; the message names it."""


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A value of the program; see the module's docstring for `operation` and `label`."""

    operation: str
    arguments: tuple["Node", ...]
    label: Any
    width: int
    number: int
    from_gradient: bool  # an incoming gradient flows into it: the backward pass computes it

    def __repr__(self) -> str:
        label = "" if self.label is None else f" {self.label}"
        given = ", ".join(f"%{node.number}" for node in self.arguments)
        return f"%{self.number}[{self.width}] = {self.operation}{label}({given})"


class Matrix(NamedTuple):
    """A weight matrix as a product uses it: a part of a parameter, perhaps transposed.

    `index` picks a matrix of a stack of them (None where the parameter is a matrix); `rows` and
    `columns` are (start, stop) in the parameter's own orientation.
    """

    name: str
    index: int | None
    rows: tuple[int, int]
    columns: tuple[int, int]
    transposed: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(what it multiplies, what comes out), as the product sees it."""
        shape = (self.rows[1] - self.rows[0], self.columns[1] - self.columns[0])
        return (shape[1], shape[0]) if self.transposed else shape


class Row:
    """A traced tensor (batch, width) as pieces side by side: slices and joins cost nothing."""

    def __init__(self, pieces: Iterable[Node]) -> None:
        self.pieces = tuple(pieces)
        self.width = sum(piece.width for piece in self.pieces)


Cuts = dict[tuple[str, Any], set[int]]


class Program:
    """Nodes in the order they arise.

    A buffer or a product's result is one value wherever nobody slices it. Where somebody does, it
    must be cut there for everybody; `cuts` holds the places known before, `new_cuts` those found.
    """

    def __init__(self, cuts: Cuts) -> None:
        self.nodes: list[Node] = []
        self.cuts = cuts
        self.new_cuts: Cuts = {}
        self._known: dict[tuple[Any, ...], Node] = {}

    def node(
        self, operation: str, arguments: Sequence[Node] = (), label: Any = None, width: int = 1
    ) -> Node:
        key = (operation, tuple(node.number for node in arguments), label, width)
        if key not in self._known:
            brings = operation == "input" and label[0][0] in GRADIENT_LETTERS
            flows = brings or any(node.from_gradient for node in arguments)
            node = Node(operation, tuple(arguments), label, width, len(self.nodes), flows)
            self._known[key] = node
            self.nodes.append(node)
        return self._known[key]

    def constant(self, number: float) -> Row:
        # The sign of zero is part of a number's name: 0.0 == -0.0 would make them one node.
        return Row([self.node("constant", (), NumberLabel(float(number)))])

    def zero(self, width: int) -> Row:
        return Row([self.node("zero", width=width)] if width else [])

    def buffer(self, name: str, width: int) -> Row:
        return self._cut("input", (), name, width, lambda offset: (name, offset))

    def vector(self, name: str, width: int) -> Row:
        return self._cut("vector", (), name, width, lambda offset: (name, offset))

    def product(self, row: Row, matrix: Matrix) -> Row:
        given, width = matrix.shape
        if row.width != given:
            raise CannotCompileError(f"a product of {row.width} features with a matrix of {given}")
        product = self.node("product", row.pieces, matrix)
        name = (tuple(piece.number for piece in row.pieces), matrix)
        return self._cut("part", (product,), name, width, lambda offset: offset)

    def total(self, row: Row) -> Row:
        return Row([self.node("sum", row.pieces)])

    def join(self, rows: Iterable[Row]) -> Row:
        return Row(piece for row in rows for piece in row.pieces)

    def slice(self, row: Row, start: int, stop: int) -> Row:
        found, offset = [], 0
        for piece in row.pieces:
            low, high = max(start, offset), min(stop, offset + piece.width)
            if low < high:
                found.append(self._slice_piece(piece, low - offset, high - low))
            offset += piece.width
        return Row(found)

    def map(self, operation: str, *rows: Row) -> Row:
        """An element-wise operation; a row of width 1 goes with every feature of a wider one."""
        width = max(row.width for row in rows)
        cuts = {0, width}
        for row in rows:
            if row.width not in (1, width):
                raise CannotCompileError(f"{operation} of {row.width} and {width} features")
            if row.width == width:
                cuts |= set(accumulate(piece.width for piece in row.pieces))
        pieces = []
        for start, stop in pairwise(sorted(cuts)):
            parts = [
                self.slice(row, start, stop).pieces[0] if row.width == width else row.pieces[0]
                for row in rows
            ]
            pieces.append(self._map_piece(operation, parts, stop - start))
        return Row(pieces)

    def _cut(
        self, operation: str, arguments: Sequence[Node], name: Any, width: int, label: Any
    ) -> Row:
        places = sorted({0, width} | self.cuts.get((operation, name), set()))
        return Row(
            self.node(operation, arguments, label(start), stop - start)
            for start, stop in pairwise(places)
        )

    def _slice_piece(self, piece: Node, offset: int, width: int) -> Node:
        if (offset, width) == (0, piece.width):
            return piece
        if piece.operation in ("input", "vector"):
            name, start = piece.label
            self._remember_cut(piece.operation, name, start + offset, width)
            return self.node(piece.operation, (), (name, start + offset), width)
        if piece.operation == "part":
            (product,) = piece.arguments
            name = (tuple(node.number for node in product.arguments), product.label)
            self._remember_cut("part", name, piece.label + offset, width)
            return self.node("part", piece.arguments, piece.label + offset, width)
        if piece.operation == "zero":
            return self.node("zero", width=width)
        parts = [
            part if part.width == 1 else self._slice_piece(part, offset, width)
            for part in piece.arguments
        ]
        return self.node("map", parts, piece.label, width)

    def _remember_cut(self, operation: str, name: Any, start: int, width: int) -> None:
        self.new_cuts.setdefault((operation, name), set()).update((start, start + width))

    def _map_piece(self, operation: str, parts: Sequence[Node], width: int) -> Node:
        """Only zeros that stand for "no influence" are simplified away: 0 * infinity stays NaN."""
        empty = [part.operation == "zero" for part in parts]
        if any(empty):
            if operation == "multiply" or (empty[0] and operation in _KEEP_ZERO):
                return self.node("zero", width=width)
            if all(empty) and operation in ("add", "subtract"):
                return self.node("zero", width=width)
            if operation == "add":
                return self._widened(parts[0] if empty[1] else parts[1], width)
            if operation == "subtract" and empty[1]:
                return self._widened(parts[0], width)
        if operation == "multiply":
            for one, other in (parts, parts[::-1]):
                if one.operation == "constant" and one.label == 1.0 and other.width == width:
                    return other
        return self.node("map", parts, operation, width)

    def _widened(self, node: Node, width: int) -> Node:
        return node if node.width == width else self.node("map", [node], "copy", width)


_KEEP_ZERO = ("negate", "copy", "divide")


class NumberLabel(float):
    """A number that differs from another where their bits do."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and self.hex() == other.hex()

    def __hash__(self) -> int:
        return hash(self.hex())
