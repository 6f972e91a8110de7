"""The nodes of a step's program as operators of ONNX.

What needs neither the state nor the time loop's position is written around the loop, for all steps
at once; the rest into the loop's body. Both are written by the same words.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ostinato.engine.program import TRUTHS, Matrix, Node


class Place(Protocol):
    """Where operators are written: around the loop, or into its body."""

    def emit(self, operator: str, *inputs: Any, **attributes: Any) -> Any:
        """The first output of a new operator."""
        ...


class Around:
    """The graph around the loop, as torch's exporter records it."""

    def emit(self, operator: str, *inputs: Any, **attributes: Any) -> Any:
        from onnxscript import opset18

        found = getattr(opset18, operator)(*inputs, **attributes)
        if not isinstance(found, Sequence):
            return found
        found[0].producer().resize_outputs(1)
        return found[0]

    def constant(self, value: Any, dtype: Any = np.int64) -> Any:
        import onnx_ir

        return self.emit("Constant", value=onnx_ir.tensor(np.asarray(value, dtype)))

    def slice(self, value: Any, start: int, stop: int, axis: int) -> Any:
        # With its step: two halves without one are made a Split by torch's exporter, which may
        # put it behind the first use.
        bounds = map(self.constant, ([start], [stop], [axis], [1]))
        return self.emit("Slice", value, *bounds)


class Inside:
    """The body of the loop. Its names need differ from those around it only."""

    def __init__(self) -> None:
        from onnx_ir.tape import Tape

        self._tape = Tape()

    def emit(self, operator: str, *inputs: Any, **attributes: Any) -> Any:
        return self._tape.op(operator, inputs, attributes=attributes or None)

    def split(self, value: Any, sizes: Any, count: int) -> Sequence[Any]:
        """All parts of a value side by side, whose sizes are a constant."""
        found = self.emit("Split", value, sizes, axis=-1)
        found.producer().resize_outputs(count)
        return found.producer().outputs

    def named_nodes(self) -> list[Any]:
        """All operators in order, and names for their outputs."""
        nodes = list(self._tape.nodes)
        for number, node in enumerate(nodes):
            node.name = f"step/{number}"
            for place, value in enumerate(node.outputs):
                value.name = f"step/value_{number}" + (f"_{place}" if place else "")
        return nodes


def is_truth(node: Node) -> bool:
    """Whether a node is true or false, not a number."""
    if node.operation in ("slice", "join"):
        return is_truth(node.arguments[0])
    return node.operation == "map" and node.label in TRUTHS


class Writer:
    """Writes one node at one place, from its written arguments.

    Args:
        around: for constants, which all places share.
        place: where to write.
        dtype: numpy's name of the numbers' kind.
        matrix: the written matrix of a product.
    """

    def __init__(
        self, around: Around, place: Place, dtype: str, matrix: Callable[[Matrix], Any]
    ) -> None:
        self._around = around
        self._place = place
        self._dtype = dtype
        self._matrix = matrix

    def write(self, node: Node, arguments: Sequence[Any]) -> Any:
        """The value of a node: (batch, width) in the body, (time, batch, width) around it."""
        return getattr(self, f"_{node.operation}")(node, arguments)

    def number(self, value: float) -> Any:
        return self._around.constant(value, self._dtype)

    def repeated(self, value: Any, like: Any, width: int) -> Any:
        """The same value for every sample of `like` (..., batch, any)."""
        shape = self._place.emit("Shape", like, start=0, end=-1)
        shape = self._place.emit("Concat", shape, self._around.constant([width]), axis=0)
        return self._place.emit("Expand", value, shape)

    def _constant(self, node: Node, _: Sequence[Any]) -> Any:
        return self.number(node.label)

    def _zero(self, node: Node, _: Sequence[Any]) -> Any:
        return self._around.constant(np.zeros(node.width), self._dtype)

    def _product(self, node: Node, arguments: Sequence[Any]) -> Any:
        return self._place.emit("MatMul", self._joined(node, arguments), self._matrix(node.label))

    def _part(self, _: Node, arguments: Sequence[Any]) -> Any:
        return arguments[0]

    def _sum(self, node: Node, arguments: Sequence[Any]) -> Any:
        row = self._joined(node, arguments)
        return self._place.emit("ReduceSum", row, self._around.constant([-1]), keepdims=1)

    def _slice(self, node: Node, arguments: Sequence[Any]) -> Any:
        bounds = ([node.label], [node.label + node.width], [-1], [1])
        return self._place.emit("Slice", arguments[0], *map(self._around.constant, bounds))

    def _join(self, node: Node, arguments: Sequence[Any]) -> Any:
        return self._joined(node, arguments)

    def _layer_norm(self, node: Node, arguments: Sequence[Any]) -> Any:
        row, *more = arguments
        more = more or [self._around.constant(np.ones(node.width), self._dtype)]
        options = {"axis": -1, "epsilon": node.label}
        return self._place.emit("LayerNormalization", row, *more, **options)

    def _map(self, node: Node, arguments: Sequence[Any]) -> Any:
        if node.label in _DIRECT:
            return self._place.emit(_DIRECT[node.label], *arguments)
        return getattr(self, f"_map_{node.label}")(node, *arguments)

    def _map_not_equal(self, _: Node, a: Any, b: Any) -> Any:
        return self._place.emit("Not", self._place.emit("Equal", a, b))

    def _map_rsqrt(self, _: Node, a: Any) -> Any:
        return self._place.emit("Reciprocal", self._place.emit("Sqrt", a))

    def _map_expm1(self, _: Node, a: Any) -> Any:
        """tanh(a / 2) (exp(a) + 1), which is as exact near zero as elsewhere."""
        half = self._place.emit("Mul", a, self.number(0.5))
        above = self._place.emit("Add", self._place.emit("Exp", a), self.number(1.0))
        return self._place.emit("Mul", self._place.emit("Tanh", half), above)

    def _map_log1p(self, _: Node, a: Any) -> Any:
        return self._place.emit("Log", self._place.emit("Add", a, self.number(1.0)))

    def _map_copy(self, node: Node, a: Any, *_: Any) -> Any:
        if node.arguments[0].width == node.width:
            return self._place.emit("Identity", a)
        shape = self._around.constant([1, node.width])
        return self._place.emit("Expand", a, shape)

    def _joined(self, node: Node, arguments: Sequence[Any]) -> Any:
        if len(arguments) == 1:
            return arguments[0]
        like = next(
            (value for part, value in zip(node.arguments, arguments, strict=True) if varies(part)),
            None,
        )
        rows = [
            value if like is None or varies(part) else self.repeated(value, like, part.width)
            for part, value in zip(node.arguments, arguments, strict=True)
        ]
        return self._place.emit("Concat", *rows, axis=-1)


def varies(node: Node) -> bool:
    """Whether a value can differ between samples, and so has an axis for them."""
    if node.operation == "input":
        return node.label[0][0] != "K"
    return any(map(varies, node.arguments))


_DIRECT: Mapping[str, str] = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negate": "Neg",
    "maximum": "Max",
    "minimum": "Min",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "exp": "Exp",
    "log": "Log",
    "erf": "Erf",
    "sqrt": "Sqrt",
    "reciprocal": "Reciprocal",
    "absolute": "Abs",
    "sign": "Sign",
    "softplus": "Softplus",
    "greater": "Greater",
    "less": "Less",
    "greater_equal": "GreaterOrEqual",
    "less_equal": "LessOrEqual",
    "equal": "Equal",
    "and": "And",
    "or": "Or",
    "not": "Not",
    "where": "Where",
}
