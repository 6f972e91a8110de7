"""Names for the values of a traced step, so that its stages can be read as equations.

What the equations name is called after them: `previous_hidden`, `next_memory`, `P1` for the first
product, and `d_x` for the gradient of the loss by x. What else is stored, or used more than once,
is a, b, c, ... where the forward pass makes it, g1, g2, ... where gradients flow into it, and s1,
s2, ... where it is a sum over features.
"""

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from ostinato.engine.explain.formulas import (
    Formula,
    Name,
    Part,
    map_formula,
    name_formula,
    number_formula,
    sum_formula,
)
from ostinato.engine.lowering import VectorGradient
from ostinato.engine.passes import Level, Pass
from ostinato.engine.program import Node
from ostinato.engine.stages import Stages

_OF_THE_LOOP = {"X": "step_input", "R": "reset", "M": "mask", "GO": "d_output"}
_OF_A_STATE = {
    "S": "previous_{}",
    "I": "initial_{}",
    "K": "keep_{}",
    "D": "d_next_{}",
    "G": "d_every_{}",
}


class Naming:
    """The names of both passes, and the formulas made of them.

    Args:
        stages: of the step, forward and backward.
        state_names: what the parts of the state are called, in order.

    `products`: the name of each product's result; `named`: that of every other value that is named;
    `rows`: of values side by side that a product reads or that become a state.
    """

    def __init__(self, stages: Stages, state_names: Sequence[str]) -> None:
        assert stages.backward is not None
        self.stages = stages
        self.state_names = state_names
        self.passes = (stages.forward, stages.backward)
        self.products = self._name_products()
        self.named: dict[Node, Name] = {}
        self.rows: dict[tuple[Node, ...], str] = {}
        self._name_states()
        self._name_product_gradients()
        self._name_the_rest()

    def name_of(self, node: Node) -> Name | None:
        """What a value is called, or None where only a formula says what it is."""
        return self._given_name(node) or self.named.get(node)

    def formula(self, node: Node, *, own: bool = False) -> Formula:
        """A value in terms of those that have names; `own`: the formula even of one that has."""
        if node.operation in ("constant", "zero"):
            return number_formula(node.label or 0.0)
        name = self.name_of(node)
        if name is not None and not own:
            return name_formula(name)
        arguments = [self.formula(argument) for argument in node.arguments]
        return map_formula(node, arguments) if node.operation == "map" else sum_formula(arguments)

    def loaded(self, node: Node, each: Pass, level: Level) -> bool:
        """Whether a level finds this value ready: in memory, or as a sum or a product's result."""
        if node.operation in ("constant", "zero", "part") or each.place_of(node) is not None:
            return True
        if node.operation == "sum" and each.belongs(node):
            return True
        return node in each.stores and each.level(node) < level

    # ---- names that the equations give

    def _name_products(self) -> dict[Node, str]:
        found = [
            *self.stages.forward.hoisted,
            *(node for each in self.passes for node in sorted(each.operands, key=_number_of)),
        ]
        return {node: f"P{number}" for number, node in enumerate(found, 1)}

    def _name_states(self) -> None:
        traced = self.stages.traced
        for state, following, gradient in zip(
            self.state_names, traced.states, traced.state_gradients, strict=True
        ):
            self._name_row(following.pieces, f"next_{state}")
            self._name_row(gradient.pieces, f"d_previous_{state}")
        self._name_row(traced.output.pieces, "output")
        stored = [
            (place.offset, node.number, node)
            for node, places in self.passes[1].stores.items()
            for place in places
            if place.buffer == self.stages.input_gradient
        ]
        self._name_row([node for *_, node in sorted(stored)], "d_step_input")

    def _name_product_gradients(self) -> None:
        """What a matrix is multiplied by on the way back is the gradient of its product."""
        forward = [node for node in self.products if not node.from_gradient]
        matrices = [node.label for node in forward]
        for back in self.backward_products():
            flipped = back.label._replace(transposed=not back.label.transposed)
            if matrices.count(flipped) == 1:
                product = forward[matrices.index(flipped)]
                self._name_row(back.arguments, f"d_{self.products[product]}")

    def backward_products(self) -> list[Node]:
        """Products with gradients, in the loop and after it, in the order of the forward ones."""
        matrices = [node.label for node in self.products if not node.from_gradient]
        later = {term.matrix for term in self.stages.input_products}

        def place(node: Node) -> int:
            flipped = node.label._replace(transposed=not node.label.transposed)
            return matrices.index(flipped) if flipped in matrices else len(matrices)

        found = [
            node
            for node in self.stages.traced.program.nodes
            if node.operation == "product"
            and node.from_gradient
            and (node in self.products or node.label in later)
        ]
        return sorted(found, key=place)

    def _name_row(self, pieces: Sequence[Node], base: str) -> None:
        """Call these values, side by side, parts of `base`; what has a name keeps it."""
        whole = sum(piece.width for piece in pieces)
        self.rows.setdefault(tuple(pieces), base)
        start = 0
        for piece in pieces:
            if self.name_of(piece) is None and piece.operation != "zero":
                self.named[piece] = Name(base, start, piece.width, whole)
            start += piece.width

    def _given_name(self, node: Node) -> Name | None:
        """Of what the loop is given, and of what a product gives."""
        if node.operation == "part":
            product = node.arguments[0]
            whole = product.label.shape[1]
            return Name(self.products.get(product, "P"), node.label, node.width, whole)
        if node.operation == "vector":
            name, start = node.label
            return Name(name, start, node.width, self.stages.buffers[f"vector {name}"].width)
        if node.operation == "input":
            buffer, start = node.label
            whole = self.stages.buffers[buffer].width
            return Name(self._buffer_name(buffer), start, node.width, whole)
        return None

    def _buffer_name(self, buffer: str) -> str:
        if buffer in _OF_THE_LOOP:
            return _OF_THE_LOOP[buffer]
        return _OF_A_STATE[buffer[0]].format(self.state_names[int(buffer[1:])])

    # ---- names for what else is kept, or used twice

    def _name_the_rest(self) -> None:
        letters, gradients, sums = _letters(self._taken()), count(1), count(1)
        for group in sorted(self._groups(self._worth_a_name()), key=lambda row: row[0].number):
            if group[0].operation == "sum":
                base = f"s{next(sums)}"
            elif any(node.from_gradient for node in group):
                base = f"g{next(gradients)}"
            else:
                base = next(letters)
            self._name_row(group, base)

    def _taken(self) -> set[str]:
        parameters = {
            node.label[0] for node in self.stages.traced.program.nodes if node.operation == "vector"
        }
        return {*parameters, *self.state_names}

    def _worth_a_name(self) -> list[Node]:
        stored = {node for each in self.passes for node in (*each.stores, *each.totals)}
        found = set(stored)
        for each in self.passes:
            for level, roots in work_of(each).items():
                found |= self._shared(each, level, roots, stored)
        wanted = {node for node in found if node.operation in ("map", "sum")}
        for row in self._alike():
            if any(node in wanted for node in row):
                wanted.update(row)
        return sorted((node for node in wanted if node not in self.named), key=_number_of)

    def _shared(
        self, each: Pass, level: Level, roots: Iterable[Node], stored: set[Node]
    ) -> set[Node]:
        """What a level computes once and uses more than once, and takes words to write down."""
        uses: dict[Node, int] = {}
        waiting, seen = list(roots), set[Node]()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            for argument in set(node.arguments if node.operation == "map" else ()):
                if not self.loaded(argument, each, level):
                    uses[argument] = uses.get(argument, 0) + 1
                    waiting.append(argument)
        return {node for node, times in uses.items() if times > 1 and self._is_long(node, stored)}

    def _is_long(self, node: Node, stored: set[Node]) -> bool:
        """Whether it is more than `1 - a`, `-a` or `a**2`."""
        given = {each for each in node.arguments if each.operation != "constant"}
        short = all(each in stored or self.name_of(each) for each in given)
        return node.operation == "map" and (len(given) > 1 or not short)

    def _groups(self, wanted: Sequence[Node]) -> list[list[Node]]:
        """The values to name, those together that are parts of one whole."""
        left = dict.fromkeys(wanted)
        groups = []
        for row in [*self._known_rows(), *self._alike()]:
            if len(row) > 1 and all(piece in left for piece in row):
                groups.append(list(row))
                for piece in row:
                    left.pop(piece, None)
        return groups + [[node] for node in left]

    def _known_rows(self) -> Iterator[Sequence[Node]]:
        for gradient in self.stages.traced.parameter_gradients.values():
            if isinstance(gradient, VectorGradient):
                yield gradient.row.pieces
        for each in self.passes:
            for total in each.totals:
                yield total.arguments

    def _alike(self) -> list[list[Node]]:
        """Rows of values that one formula gives, each for its own part of the same whole."""
        found: dict[tuple[int, int], dict[int, Node]] = {}
        known: dict[Node, tuple[int, Part | None]] = {}
        numbers: dict[Any, int] = {}
        for node in self.stages.traced.program.nodes:
            seen, part = self._likeness(node, known)
            likeness = numbers.setdefault(seen, len(numbers))
            known[node] = likeness, part
            named = node.operation != "map" or node in self.named
            if not named and part is not None and part[1] < part[2]:
                found.setdefault((likeness, part[2]), {})[part[0]] = node
        rows = []
        for (_, whole), places in found.items():
            row = [places[start] for start in sorted(places)]
            if sum(node.width for node in row) == whole:
                rows.append(row)
        return rows

    def _likeness(self, node: Node, known: Mapping[Node, Any]) -> tuple[Any, Part | None]:
        """What two values have in common that one formula gives, and which part each is."""
        name = self.name_of(node)
        if name is not None:
            return name.base, name_formula(name).part
        if node.operation != "map":
            return node, None
        given = [known[argument] for argument in node.arguments]
        parts = {part for _, part in given if part is not None}
        if len(parts) > 1:
            width = max(part[1] for part in parts)
            return node, (0, width, width)
        return (node.label, *(likeness for likeness, _ in given)), next(iter(parts), None)


def work_of(each: Pass) -> dict[Level, list[Node]]:
    """What each level of a pass must have: what it stores, and what it adds up."""
    work: dict[Level, dict[Node, None]] = {}
    for node in [*each.stores, *(node for node, _ in each.sums)]:
        work.setdefault(each.level(node), {})[node] = None
    for total, level in each.totals.items():
        work.setdefault(level, {}).update(dict.fromkeys(total.arguments))
    return {level: list(work[level]) for level in sorted(work)}


def _number_of(node: Node) -> int:
    return node.number


def _letters(taken: set[str]) -> Iterator[str]:
    """a, b, c, ..., z, a1, b1, ... without those that mean something else here."""
    for turn in count():
        for letter in string.ascii_lowercase:
            name = letter + (str(turn) if turn else "")
            if name not in taken and letter not in "dgs":
                yield name
