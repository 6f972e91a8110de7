"""From a cell, or from the stages of its step, to the description of how it runs."""

from collections.abc import Iterator, Sequence

from ostinato.engine.cache import CellView
from ostinato.engine.explain.explanation import (
    Explanation,
    Kept,
    Line,
    Note,
    Product,
    Segment,
    merged,
)
from ostinato.engine.explain.formulas import Name
from ostinato.engine.explain.memory import kept_by
from ostinato.engine.explain.naming import Naming, work_of
from ostinato.engine.lowering import MatrixGradient, Outer
from ostinato.engine.passes import Level, Pass, Place
from ostinato.engine.program import CannotCompileError, Matrix, Node
from ostinato.engine.reading import Steps
from ostinato.engine.reuse import reuse_memory
from ostinato.engine.stages import Stages, cut_into_stages
from ostinato.engine.trace import Form, trace


def explain(cell: Steps) -> Explanation:
    """What the compiler makes of this cell's step, without resets and masks.

    Raises:
        CannotCompileError: with the reason, and the line of the step where it lies.

    Example:
        >>> from ostinato.engine.explain import explain
        >>> print(explain(ostinato.RNNCell(3, 8)).before[0].equation)
        P1 = step_input @ weight_ih.T
    """
    name, sizes = type(cell).__name__, cell.state_sizes
    if not sizes:
        raise CannotCompileError(
            f"{name} carries no state, so there is no loop to compile: all steps are done at once"
        )
    view = CellView(cell)
    _ = view.dtype  # raises where parameters are of several kinds
    traced = trace(cell, view.parameters, Form())
    stages = reuse_memory(cut_into_stages(traced, backward=True))
    states = getattr(sizes, "_fields", tuple(f"state{place}" for place in range(len(sizes))))
    widths = ", ".join(
        f"{state} {width}" for state, width in zip(states, traced.state_widths, strict=True)
    )
    said = f"{cell.input_size} features in, {cell.output_size} out; state: {widths}"
    return describe(stages, states, name, said)


def describe(stages: Stages, state_names: Sequence[str], cell: str, sizes: str) -> Explanation:
    """The description of both passes.

    Args:
        stages: forward and backward, with memory that serves twice.
        state_names: what the parts of the state are called, in order.
        cell, sizes: what the cell is called, and what goes in and out of it.
    """
    return _Describer(stages, Naming(stages, state_names)).explanation(cell, sizes)


class _Describer:
    def __init__(self, stages: Stages, naming: Naming) -> None:
        self.stages = stages
        self.naming = naming
        assert stages.backward is not None
        self.backward = stages.backward
        self.shapes: dict[str, Sequence[int]] = {
            name: gradient.shape[-2:]
            for name, gradient in stages.traced.parameter_gradients.items()
            if isinstance(gradient, MatrixGradient)
        }

    def explanation(self, cell: str, sizes: str) -> Explanation:
        forward = self.stages.forward
        return Explanation(
            cell,
            sizes,
            tuple(self._product(node) for node in forward.hoisted),
            self._segments(forward),
            self._segments(self.backward),
            (*self._weight_gradients(), *self._input_gradients()),
            tuple(Kept(*each) for each in kept_by(self.stages, self.naming.products)),
        )

    # ---- products

    def _product(self, node: Node, name: str = "", *, adds: bool = False) -> Product:
        left, right = self._row(node.arguments), self._matrix(node.label)
        size, columns = node.label.shape
        return Product(name or self.naming.products[node], left, right, size, columns, adds)

    def _row(self, pieces: Sequence[Node]) -> str:
        """Values side by side, by one name where they have one."""
        joined = self._joined(pieces)
        if joined is not None:
            return str(joined)
        if tuple(pieces) in self.naming.rows:
            return self.naming.rows[tuple(pieces)]
        return f"[{', '.join(str(self._name(piece)) for piece in pieces)}]"

    def _joined(self, pieces: Sequence[Node]) -> Name | None:
        name = self.naming.name_of(pieces[0])
        for piece in pieces[1:]:
            name = name and name.joined(self.naming.name_of(piece))
        return name

    def _matrix(self, matrix: Matrix) -> str:
        part = self._matrix_part(matrix.name, matrix.index, matrix.rows, matrix.columns)
        return f"{matrix.name}{part}" + (".T" if matrix.transposed else "")

    def _matrix_part(
        self, name: str, index: int | None, rows: tuple[int, int], columns: tuple[int, int]
    ) -> str:
        """Which part of a parameter it is, as Python writes it."""
        head = "" if index is None else f"[{index}]"
        whole = self.shapes.get(name)
        if whole is not None and columns == (0, whole[1]):
            return head if rows == (0, whole[0]) else f"{head}[{rows[0]}:{rows[1]}]"
        return f"{head}[{rows[0]}:{rows[1]}, {columns[0]}:{columns[1]}]"

    def _weight_gradients(self) -> Iterator[Product]:
        for name, gradient in self.stages.traced.parameter_gradients.items():
            if isinstance(gradient, MatrixGradient):
                for term in gradient.terms:
                    yield self._weight_gradient(name, term)

    def _weight_gradient(self, name: str, term: Outer) -> Product:
        left, right = (term.right, term.left) if term.transposed else (term.left, term.right)
        rows, columns = (term.row, term.row + left.width), (term.column, term.column + right.width)
        part = self._matrix_part(name, term.index, rows, columns)
        factors = f"{self._row(left.pieces)}.T", self._row(right.pieces)
        return Product(f"d_{name}{part}", *factors, left.width, right.width)

    def _input_gradients(self) -> Iterator[Product]:
        adds = self.stages.input_gradient is not None
        for node in self.naming.backward_products():
            if node not in self.naming.products:
                yield self._product(node, "d_step_input", adds=adds)
                adds = True

    # ---- segments and phases

    def _segments(self, each: Pass) -> tuple[Segment, ...]:
        work = work_of(each)
        products = sorted(each.operands, key=lambda node: node.number)
        numbers = {level[0] for level in (*work, *map(each.level, products))}
        return tuple(self._segment(each, number, work, products) for number in sorted(numbers))

    def _segment(
        self, each: Pass, number: int, work: dict[Level, list[Node]], products: Sequence[Node]
    ) -> Segment:
        phases, reads = [], dict[str, None]()
        for level in (level for level in work if level[0] == number):
            made, loaded = self._reached(each, level, work[level])
            phases.append(self._lines(each, level, made))
            reads |= dict.fromkeys(self._name(node).base for node in loaded)
        made_here = {line.name.base for lines in phases for line in lines}
        found = tuple(name for name in reads if name not in made_here)
        own = tuple(self._product(node) for node in products if each.level(node)[0] == number)
        return Segment(own, tuple(phases), found)

    def _reached(
        self, each: Pass, level: Level, roots: Sequence[Node]
    ) -> tuple[list[Node], list[Node]]:
        """What a level computes, if it is stored or named; and what it loads from memory."""
        waiting, seen = list(roots), set[Node]()
        made, loaded = list[Node](), list[Node]()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            stored_here = node in each.stores and each.level(node) == level
            ready = self.naming.loaded(node, each, level)
            if stored_here or (node in self.naming.named and not ready):
                made.append(node)
            if not ready:
                waiting += node.arguments
            elif self._is_in_memory(node, each):
                loaded.append(node)
        return made, sorted(loaded, key=lambda node: node.number)

    def _is_in_memory(self, node: Node, each: Pass) -> bool:
        return each.place_of(node) is not None or (node.operation == "map" and node in each.stores)

    def _lines(self, each: Pass, level: Level, made: Sequence[Node]) -> tuple[Line, ...]:
        lines = [(node.number, self._value_line(node, each, level)) for node in made]
        for node, place in each.sums:
            if each.level(node) == level:
                lines += [(node.number, line) for line in self._added_lines(node, place)]
        for total, where in each.totals.items():
            if where == level:
                formula = self.naming.formula(total, own=True)
                lines.append((total.number, Line(self._name(total), formula)))
        return merged(line for _, line in sorted(lines, key=lambda numbered: numbered[0]))

    def _name(self, node: Node) -> Name:
        return self.naming.name_of(node) or Name("0", 0, node.width, node.width)

    def _value_line(self, node: Node, each: Pass, level: Level) -> Line:
        own = each.level(node) == level and each.belongs(node)
        places = each.stores.get(node, []) if own else []
        aliases = self._aliases(node) if places else []
        notes = aliases or [self._note(node, place, each) for place in places]
        notes += [] if own else [Note("computed again")]
        if node.operation == "map":
            return Line(self._name(node), self.naming.formula(node, own=True), tuple(notes))
        becomes = self._becomes(node, places)
        formula = None if becomes is None else self.naming.formula(node)
        return Line(becomes or self._name(node), formula, tuple(notes))

    def _becomes(self, node: Node, places: Sequence[Place]) -> Name | None:
        """What a value is stored as that is not computed: a part of a product or of a buffer."""
        traced, names = self.stages.traced, self.naming.state_names
        for place in places:
            if place.index in ("after", "carrying"):
                base = "next" if place.index == "after" else "d_previous"
                number = int(place.buffer[1:])
                width = traced.state_widths[number]
                return Name(f"{base}_{names[number]}", place.offset, node.width, width)
            if place.buffer == "Y":
                return Name("output", place.offset, node.width, traced.output.width)
        return None

    def _note(self, node: Node, place: Place, each: Pass) -> Note:
        """Why a value is stored there."""
        forward = each is self.stages.forward
        if place.index == "after":
            same = place.buffer == f"S{self.stages.traced.output_is_state}"
            return Note("next state and output" if same else "next state")
        if place.index == "carrying":
            return Note("for the step before")
        if place.index == "block":
            return Note("for a later phase")
        if place.buffer == "Y":
            return Note("output")
        if place.buffer in self.stages.hoisted:
            words = "saved in the memory of" if forward else "in the memory of"
            return Note(words, self._hoisted_name(place, node.width))
        if place.buffer.startswith("V"):
            if forward:
                return Note("saved")
            return Note("in the memory of", self._saved_name(place, node.width))
        readers = [
            self.naming.products[product]
            for product, operand in each.operands.items()
            if operand.buffer == place.buffer
        ]
        return Note(f"for {' and '.join(readers)}") if readers else Note("for after the loop")

    def _hoisted_name(self, place: Place, width: int) -> Name:
        product = next(
            node for node, buffer in self.stages.forward.hoisted.items() if buffer == place.buffer
        )
        whole = product.label.shape[1]
        return Name(self.naming.products[product], place.offset, width, whole)

    def _saved_name(self, place: Place, width: int) -> Name:
        """What the forward pass saved at a place."""
        saved = next(
            node
            for node, places in self.stages.forward.stores.items()
            if places[0].buffer == place.buffer and places[0].offset == place.offset
        )
        whole = self.stages.buffers[place.buffer].width
        if whole == saved.width:
            return self._name(saved)
        return Name(self.naming.products[saved.arguments[0]], place.offset, width, whole)

    def _aliases(self, node: Node) -> list[Note]:
        """The rows of products that a value is a part of, besides the one it is named after."""
        found = []
        for pieces, base in self.naming.rows.items():
            if node in pieces and self._joined(pieces) is None:
                start = sum(piece.width for piece in pieces[: pieces.index(node)])
                name = Name(base, start, node.width, sum(piece.width for piece in pieces))
                found += [] if name == self._name(node) else [Note("also", name)]
        return found

    def _added_lines(self, node: Node, place: Place) -> Iterator[Line]:
        """A value that is added up over samples and steps, for each gradient that it goes into."""
        whole = self.stages.buffers[place.buffer].width
        names = [name for name, own in self.stages.gradient_sums.items() if own == place.buffer]
        if place.index == "sample":
            names = [f"initial_{self.naming.state_names[int(place.buffer[2:])]}"]
        for name in names:
            total = Name(f"d_{name}", place.offset, node.width, whole)
            yield Line(total, self.naming.formula(node), adds=True)
