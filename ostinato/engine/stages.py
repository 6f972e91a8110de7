"""From a traced step to two passes, forward and backward, and the large products around them.

Products with the input alone are taken out of the loop, before it; gradients of weights and of the
input after it, each as one large product.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ostinato.engine.lowering import MatrixGradient
from ostinato.engine.passes import Buffer, Pass, Place, offsets_of
from ostinato.engine.program import Matrix, Node, Program, Row
from ostinato.engine.trace import TracedStep

_KINDS = {"X": "steps", "P": "steps", "R": "steps", "G": "steps", "S": "states", "D": "carry"}


class OuterProduct(NamedTuple):
    """A term of a weight's gradient, done after the loop: left^T right over all steps."""

    parameter: str
    index: int | None
    row: int
    column: int
    transposed: bool
    left: Place
    left_width: int
    right: Place
    right_width: int


class InputProduct(NamedTuple):
    """A term of the input's gradient, done after the loop: operand times matrix."""

    operand: Place
    matrix: Matrix


class Stages(NamedTuple):
    """Both passes of a step, their buffers, and the large products before and after the loop.

    `hoisted`: buffer -> the matrix by which all inputs are multiplied before the loop.
    `gradient_sums`: parameter -> the buffer that holds its gradient, a sum for each thread.
    `input_gradient`: the buffer to which the `input_products` are added, or None. `watched`: where
    the backward loop leaves the watched gradients.
    """

    traced: TracedStep
    forward: Pass
    backward: Pass | None
    buffers: dict[str, Buffer]
    hoisted: dict[str, Matrix]
    output: Place
    outer_products: tuple[OuterProduct, ...]
    gradient_sums: dict[str, str]
    input_products: tuple[InputProduct, ...]
    input_gradient: str | None
    watched: tuple[Place, ...] = ()


def cut_into_stages(traced: TracedStep, *, backward: bool, hoist: bool = True) -> Stages:
    """Plan the loops of a traced step.

    Args:
        traced: the step.
        backward: plan both passes; without it nothing is saved for a gradient.
        hoist: take products with the input alone out of the loop, for all steps at once. Not where
            one step is all there is.
    """
    buffers = _given_buffers(traced)
    hoisted = _hoist(traced, buffers) if hoist else {}
    forward = Pass(traced.program, "F", buffers, hoisted)
    matrices = {buffer: product.label for product, buffer in hoisted.items()}
    output = _plan_forward(traced, forward)
    if not backward:
        forward.solve()
        return Stages(traced, forward, None, buffers, matrices, output, (), {}, (), None)
    backwards = Pass(traced.program, "B", buffers, hoisted, forward)
    for node, places in forward.stores.items():
        if not forward.is_leaf(node):
            backwards.memory[node] = places[0]
    products, input_gradient, rest = _plan_input_gradient(traced, backwards)
    roots = list(rest)
    for number, row in enumerate(traced.state_gradients):
        backwards.store_row(row, f"D{number}", "carrying")
        roots += row.pieces
    outer, outer_roots = _plan_outer_products(traced, forward, backwards)
    sums = _plan_sums(traced, backwards)
    watched = []
    for number, row in enumerate(traced.watched):
        watched.append(backwards.place_row(row.pieces, f"W{number}"))
        roots += row.pieces
    roots += [*outer_roots, *(node for node, _ in backwards.sums)]
    backwards.place_operands(roots)
    backwards.solve()
    forward.solve()
    return Stages(
        traced,
        forward,
        backwards,
        buffers,
        matrices,
        output,
        outer,
        sums,
        products,
        input_gradient,
        tuple(watched),
    )


def _given_buffers(traced: TracedStep) -> dict[str, Buffer]:
    buffers = {}
    for node in traced.program.nodes:
        if node.operation == "input":
            name, offset = node.label
            width = max(offset + node.width, buffers[name].width if name in buffers else 0)
            buffers[name] = Buffer(name, _kind_of(name, traced), width)
        elif node.operation == "vector":
            name, offset = node.label
            key = f"vector {name}"
            width = max(offset + node.width, buffers[key].width if key in buffers else 0)
            buffers[key] = Buffer(key, "vector", width)
    return buffers


def _kind_of(name: str, traced: TracedStep) -> str:
    if name[0] == "K":
        return "steps" if traced.form.kept == "steps" else "vector"
    return _KINDS.get(name[0], "samples")


def _hoist(traced: TracedStep, buffers: dict[str, Buffer]) -> dict[Node, str]:
    """Products with the input alone, and the buffer that holds the result of each."""
    found: dict[Node, str] = {}
    for node in traced.program.nodes:
        if node.operation == "product" and all(
            part.operation == "input" and part.label[0] == "X" for part in node.arguments
        ):
            if [part.label[1] for part in node.arguments] != offsets_of(node.arguments):
                continue
            if sum(part.width for part in node.arguments) != traced.input_width:
                continue
            name = f"P{len(found)}"
            found[node] = name
            buffers[name] = Buffer(name, "steps", node.label.shape[1])
    return found


def _plan_forward(traced: TracedStep, forward: Pass) -> Place:
    for number, row in enumerate(traced.states):
        forward.store_row(row, f"S{number}", "after")
    same = traced.output_is_state
    if same is None:
        forward.buffer("Y", "steps", traced.output.width)
        forward.store_row(traced.output, "Y", "step")
    roots = [node for row in (*traced.states, traced.output) for node in row.pieces]
    forward.place_operands(roots)
    return Place("Y", 0, "step") if same is None else Place(f"S{same}", 0, "after")


def _plan_input_gradient(
    traced: TracedStep, backward: Pass
) -> tuple[tuple[InputProduct, ...], str | None, list[Node]]:
    """The input's gradient: whole products wait until after the loop, the rest is stored in it."""
    row = traced.input_gradient
    terms = [_terms(piece) for piece in row.pieces]
    offsets = offsets_of(row.pieces)
    whole = [
        term.arguments[0]
        for term in terms[0]
        if term.operation == "part"
        and term.arguments[0].label.shape[1] == row.width
        and all(
            any(
                other.operation == "part"
                and other.arguments == term.arguments
                and other.label == offset
                for other in parts
            )
            for parts, offset in zip(terms, offsets, strict=True)
        )
    ]
    products, roots = [], []
    for product in whole:
        place = backward.place_row(product.arguments, f"Z{product.number}")
        products.append(InputProduct(place, product.label))
        roots += product.arguments
    left = [
        [term for term in parts if not (term.operation == "part" and term.arguments[0] in whole)]
        for parts in terms
    ]
    if not any(term.operation != "zero" for parts in left for term in parts):
        return tuple(products), None, roots
    pieces = [
        _added(traced.program, parts, piece.width)
        for parts, piece in zip(left, row.pieces, strict=True)
    ]
    backward.buffer("DX", "steps", row.width)
    backward.store_row(Row(pieces), "DX", "step")
    return tuple(products), "DX", roots + pieces


def _terms(node: Node) -> list[Node]:
    if node.operation == "map" and node.label == "add":
        return [term for argument in node.arguments for term in _terms(argument)]
    return [node]


def _added(program: Program, terms: Sequence[Node], width: int) -> Node:
    result = Row([program.node("zero", width=width)])
    for term in terms:
        result = program.map("add", result, Row([term]))
    return result.pieces[0]


def _plan_outer_products(
    traced: TracedStep, forward: Pass, backward: Pass
) -> tuple[tuple[OuterProduct, ...], list[Node]]:
    found, roots = [], []

    def place(row: Row) -> Place:
        own = any(node.from_gradient for node in row.pieces)
        if own:
            roots.extend(row.pieces)
        owner = backward if own else forward
        return owner.place_row(row.pieces, f"Z{row.pieces[0].number}")

    for name, gradient in traced.parameter_gradients.items():
        if not isinstance(gradient, MatrixGradient):
            continue
        for term in gradient.terms:
            found.append(
                OuterProduct(
                    name,
                    term.index,
                    term.row,
                    term.column,
                    term.transposed,
                    place(term.left),
                    term.left.width,
                    place(term.right),
                    term.right.width,
                )
            )
    return tuple(found), roots


def _plan_sums(traced: TracedStep, backward: Pass) -> dict[str, str]:
    """Gradients of vectors and of what a reset returns to: added up inside the loop."""
    found: dict[str, str] = {}
    same: dict[tuple[Node, ...], str] = {}
    for name, gradient in traced.parameter_gradients.items():
        if isinstance(gradient, MatrixGradient):
            continue
        pieces = gradient.row.pieces
        if pieces not in same:
            same[pieces] = backward.buffer(f"sum {name}", "sums", gradient.row.width)
            _add_up(backward, gradient.row, same[pieces], "vector")
        found[name] = same[pieces]
    for number, row in enumerate(traced.initial_gradients):
        buffer = backward.buffer(f"DI{number}", "samples", row.width)
        _add_up(backward, row, buffer, "sample")
    return found


def _add_up(backward: Pass, row: Row, buffer: str, index: str) -> None:
    for node, offset in zip(row.pieces, offsets_of(row.pieces), strict=True):
        if node.operation != "zero":
            backward.sums.append((node, Place(buffer, offset, index)))
