"""A step as ONNX can say it well: rows stay whole, and layer normalisation is one operation.

The compiler cuts rows where somebody slices them, which costs it nothing. In ONNX each piece would
be a node of its own, at every step. To the operations of `program` come

    slice        `width` features of a row; label is the first
    join         rows side by side
    layer_norm   a row less its mean, over its deviation, times a gain and plus a bias where these
                 are further arguments; label is epsilon
    map softplus log(1 + exp(a)), which is right also where the exponential is not
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch

from ostinato.engine.kinds import Kind, by_itself
from ostinato.engine.lowering import Lowering
from ostinato.engine.program import CannotCompileError, Node, Program, Row
from ostinato.engine.trace import ForwardStep, trace_forward


class WholeRows(Program):
    """A program whose rows have one piece each."""

    def slice(self, row: Row, start: int, stop: int) -> Row:
        if (start, stop) == (0, row.width):
            return row
        return Row([self.node("slice", row.pieces, start, stop - start)])

    def join(self, rows: Iterable[Row]) -> Row:
        pieces = [piece for row in rows for piece in row.pieces]
        if len(pieces) < 2:
            return Row(pieces)
        return Row([self.node("join", pieces, None, sum(piece.width for piece in pieces))])

    def map(self, operation: str, *rows: Row) -> Row:
        width = max(row.width for row in rows)
        if any(row.width not in (1, width) for row in rows):
            said = " and ".join(str(row.width) for row in rows)
            raise CannotCompileError(f"{operation} of {said} features")
        return Row([self.node("map", [row.pieces[0] for row in rows], operation, width)])

    def layer_norm(self, rows: Iterable[Row], epsilon: float) -> Row:
        pieces = [piece for row in rows for piece in row.pieces]
        return Row([self.node("layer_norm", pieces, float(epsilon), pieces[0].width)])

    def _cut(
        self, operation: str, arguments: Sequence[Node], name: Any, width: int, label: Any
    ) -> Row:
        return Row([self.node(operation, arguments, label(0), width)])


class _WholeRowsLowering(Lowering):
    makes = WholeRows
    program: WholeRows

    def _native_layer_norm(
        self, a: Row, shape: Any, gain: Any, bias: Any, epsilon: float
    ) -> tuple[Row, None, None]:
        if gain is None and bias is not None:
            return self._map("add", self.program.layer_norm([a], epsilon), bias), None, None
        given = [row for row in (a, gain, bias) if row is not None]
        return self.program.layer_norm(given, epsilon), None, None

    def _log_sigmoid_forward(self, a: Row) -> tuple[Row, None]:
        soft = self._map("softplus", self._map("negate", a))
        return self._map("negate", soft), None


@lru_cache(maxsize=64)
def whole_rows_of(kind: Kind) -> ForwardStep:
    """The step of this kind in whole rows."""
    with by_itself():
        examples = {
            name: torch.empty(shape, dtype=kind.dtype, device="cpu")
            for name, shape in kind.shapes.items()
        }
        return trace_forward(kind.cell, examples, kind.form, _WholeRowsLowering)
