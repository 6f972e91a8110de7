"""The operator as ONNX's Scan, its body made of the step's own program."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from ostinato.engine.onnx.call import Call, turned
from ostinato.engine.onnx.operations import Around, Inside, Writer, is_truth, varies
from ostinato.engine.onnx.whole_rows import whole_rows_of
from ostinato.engine.program import Matrix, Node, Row


def scan(call: Call) -> list[Any]:
    """Outputs (batch, time, output), the final states and, if asked for, those of all steps."""
    return _Scan(call).results()


class _Scan:
    """What is being written: the values of the nodes around the loop and inside it."""

    def __init__(self, call: Call) -> None:
        import onnx_ir

        self.call = call
        self.step = whole_rows_of(call.kind)
        self.around, self.inside = Around(), Inside()
        self.dtype = str(call.kind.dtype).removeprefix("torch.")
        self.number = onnx_ir.TensorType(
            onnx_ir.DataType.DOUBLE if call.kind.dtype == torch.float64 else onnx_ir.DataType.FLOAT
        )
        self.truth = onnx_ir.TensorType(onnx_ir.DataType.BOOL)
        matrices: dict[Matrix, Any] = {}

        def matrix(name: Matrix) -> Any:
            if name not in matrices:
                matrices[name] = self._matrix(name)
            return matrices[name]

        self.write_around = Writer(self.around, self.around, self.dtype, matrix)
        self.write_inside = Writer(self.around, self.inside, self.dtype, matrix)
        self.values_around: dict[Node, Any] = {}
        self.values_inside: dict[Node, Any] = {}
        self.scanned: list[tuple[Any, Any]] = []  # (time, batch, ...) around, (batch, ...) inside
        widths = call.kind.stages.traced.state_widths
        self.before = [
            self._body_input(f"state_{number}", width) for number, width in enumerate(widths)
        ]
        self.alive = self._alive_inside() if call.lengths is not None else None

    def results(self) -> list[Any]:
        raw = [self._row(row) for row in (*self.step.states, self.step.output)]
        *states, output = raw
        if self.alive is not None:
            states = [
                self.inside.emit("Where", self.alive, after, before)
                for after, before in zip(states, self.before, strict=True)
            ]
            nothing = self.write_inside.number(0.0)
            output = self.inside.emit("Where", self.alive, output, nothing)
        every = self._every_state(states) if self.call.kind.form.all_states else []
        return self._node(states, [output, *every])

    def _every_state(self, states: Sequence[Any]) -> list[Any]:
        if self.alive is None:
            return list(states)
        nothing = self.write_inside.number(0.0)
        return [self.inside.emit("Where", self.alive, part, nothing) for part in states]

    def _node(self, states: Sequence[Any], sequences: Sequence[Any]) -> list[Any]:
        import onnx_ir

        # Outputs are values of the body's own, whatever they are made of, each with one name.
        outputs = [self.inside.emit("Identity", value) for value in (*states, *sequences)]
        nodes = self.inside.named_nodes()
        for value in outputs:
            value.type, value.shape = self.number, onnx_ir.Shape([None, None])
        body = onnx_ir.Graph(
            [*self.before, *(inside for _, inside in self.scanned)],
            outputs,
            nodes=nodes,
            name="step",
            opset_imports={"": 18},
        )
        from onnxscript import opset18

        way = int(self.call.reverse)
        first: Any = opset18.Scan(
            *self.call.states,
            *(around for around, _ in self.scanned),
            body=body,  # pyright: ignore[reportArgumentType]
            num_scan_inputs=len(self.scanned),
            scan_input_directions=[way] * len(self.scanned),
            scan_output_directions=[way] * len(sequences),
        )
        node = first.producer()
        # torch's recorder gives an operator of any number of outputs one.
        node.resize_outputs(len(outputs))
        count = len(states)
        final, (output, *every) = node.outputs[:count], node.outputs[count:]
        return [turned(output), *final, *map(turned, every)]

    # ---- rows

    def _row(self, row: Row) -> Any:
        """A row in the body, with an axis for the samples."""
        (piece,) = row.pieces
        value = self._inside(piece)
        if varies(piece):
            return value
        return self.write_inside.repeated(value, self.before[0], piece.width)

    def _inside(self, node: Node) -> Any:
        if node not in self.values_inside:
            self.values_inside[node] = self._written_inside(node)
        return self.values_inside[node]

    def _written_inside(self, node: Node) -> Any:
        if not _depends(node, "XSIR"):
            return self._around(node)
        if node.operation == "input" and node.label[0][0] in "SI":
            parts = self.before if node.label[0][0] == "S" else self.call.initials
            return parts[int(node.label[0][1:])]
        if not _depends(node, "SI"):
            return self._scan_input(self._around(node), node)
        if node.operation == "slice":
            self._split(node.arguments[0])
        if node in self.values_inside:
            return self.values_inside[node]
        return self.write_inside.write(node, [self._inside(part) for part in node.arguments])

    def _split(self, whole: Node) -> None:
        """All slices of a value at once, where they make it up: one operator a step, not many."""
        slices = [
            node
            for node in self.step.program.nodes
            if node.operation == "slice" and node.arguments == (whole,)
        ]
        slices.sort(key=lambda node: node.label)
        sizes = [node.width for node in slices]
        if [node.label for node in slices] != [0, *accumulate(sizes)][:-1]:
            return
        if sum(sizes) != whole.width:
            return
        constant = self.around.constant(sizes)
        parts = self.inside.split(self._inside(whole), constant, len(sizes))
        self.values_inside.update(zip(slices, parts, strict=True))

    def _around(self, node: Node) -> Any:
        if node not in self.values_around:
            arguments = [self._around(part) for part in node.arguments]
            self.values_around[node] = self._written_around(node, arguments)
        return self.values_around[node]

    def _written_around(self, node: Node, arguments: Sequence[Any]) -> Any:
        if node.operation == "vector":
            return self.call.parameters[node.label[0]]
        if node.operation != "input":
            return self.write_around.write(node, arguments)
        name = node.label[0]
        if name[0] == "K":
            return self.call.keep[int(name[1:])]
        return self.call.inputs if name == "X" else self._resets()

    # ---- what the loop reads

    def _scan_input(self, around: Any, node: Node) -> Any:
        kind = self.truth if is_truth(node) else self.number
        inside = self._body_input(f"input_{len(self.scanned)}", node.width, kind)
        self.scanned.append((around, inside))
        return inside

    def _body_input(self, name: str, width: int, kind: Any = None) -> Any:
        import onnx_ir

        shape = onnx_ir.Shape([None, width])
        return onnx_ir.Value(name=f"step/{name}", type=kind or self.number, shape=shape)

    def _alive_inside(self) -> Any:
        inside = self._body_input("alive", 1, self.truth)
        self.scanned.append((self._alive(), inside))
        return inside

    def _alive(self) -> Any:
        """(time, batch, 1): whether a step is one of the sample's own."""
        emit, constant = self.around.emit, self.around.constant
        time = emit("Squeeze", emit("Shape", self.call.inputs, start=0, end=1), constant([0]))
        steps = emit("Unsqueeze", emit("Range", constant(0), time, constant(1)), constant([1]))
        lengths = emit("Unsqueeze", self.call.lengths, constant([0]))
        return emit("Unsqueeze", emit("Less", steps, lengths), constant([2]))

    def _resets(self) -> Any:
        """(time, batch, 1): 1 where the state starts afresh before the step, in the order read.

        Read backward, a boundary between t - 1 and t lies before t - 1. Past a sample's length
        there is none.
        """
        emit, constant = self.around.emit, self.around.constant
        resets = emit("Unsqueeze", emit("Transpose", self.call.resets, perm=[1, 0]), constant([2]))
        if self.call.lengths is not None:
            resets = emit("And", resets, self._alive())
        resets = emit("CastLike", resets, self.write_around.number(0.0))
        if not self.call.reverse:
            return resets
        later = self.around.slice(resets, 1, _END, axis=0)
        first = self.around.slice(resets, 0, 1, axis=0)
        none = emit("Mul", first, self.write_around.number(0.0))
        return emit("Concat", later, none, axis=0)

    def _matrix(self, name: Matrix) -> Any:
        """A weight matrix as a product uses it, around the loop."""
        emit, constant = self.around.emit, self.around.constant
        value, shape = self.call.parameters[name.name], self.call.kind.shapes[name.name]
        if name.index is not None:
            value = emit("Gather", value, constant(name.index), axis=0)
        for axis, (start, stop) in enumerate((name.rows, name.columns)):
            if (start, stop) != (0, shape[axis - 2]):
                value = self.around.slice(value, start, stop, axis)
        return emit("Transpose", value, perm=[1, 0]) if name.transposed else value


def _depends(node: Node, letters: str) -> bool:
    """Whether a value comes from a buffer whose name begins with one of these letters."""
    if node.operation == "input":
        return node.label[0][0] in letters
    return any(_depends(part, letters) for part in node.arguments)


_END = 2**31 - 1
