"""The operator as ONNX's own LSTM, GRU or RNN."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ostinato.engine.choose import speaks_for_its_step
from ostinato.engine.kinds import Kind
from ostinato.engine.onnx.call import Call, turned
from ostinato.engine.onnx.form import OnnxForm
from ostinato.engine.onnx.operations import Around
from ostinato.engine.trace import Form

# ONNX has the LSTM's gates as input, output, forget, candidate; the GRU's as update, reset,
# candidate. These are their places in our order.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def native_form(kind: Kind) -> OnnxForm | None:
    """How an operator of ONNX computes the same, or None: then Scan does.

    The operators know neither resets nor zoneout, return no memory but the last, and ONNX Runtime
    has them for float32 only.
    """
    declared: Any = getattr(kind.cell, "onnx_form", None)
    if declared is None or not speaks_for_its_step(kind.cell, "onnx_form"):
        return None
    plain = kind.form == Form() and kind.dtype == torch.float32
    return declared() if plain else None


def native(call: Call, form: OnnxForm) -> list[Any]:
    """Outputs (time, batch, hidden) and the final states."""
    around = Around()
    order = _GATES[form.operator]
    size = call.kind.shapes["weight_hh"][1]
    weights = call.parameters

    def gates(name: str) -> Any:
        return _reordered(around, weights[name], size, order)

    def with_direction(value: Any) -> Any:
        return around.emit("Unsqueeze", value, around.constant([0]))

    bias = None
    if "bias_ih" in weights:
        bias = with_direction(around.emit("Concat", gates("bias_ih"), gates("bias_hh"), axis=0))
    lengths = None
    if call.lengths is not None:
        lengths = around.emit("Cast", call.lengths, to=_INT32)
    inputs = [
        call.inputs,
        with_direction(gates("weight_ih")),
        with_direction(gates("weight_hh")),
        bias,
        lengths,
        *map(with_direction, call.states),
    ]
    if form.peepholes:
        rows = [weights[name] for name in form.peepholes]
        inputs.append(with_direction(around.emit("Concat", *rows, axis=0)))
    outputs, *final = _operator(form, inputs, size, reverse=call.reverse)
    outputs = around.emit("Squeeze", outputs, around.constant([1]))
    final = [around.emit("Squeeze", part, around.constant([0])) for part in final]
    if call.lengths is not None:
        final = _kept_where_nothing_was_read(around, call, final)
    return [turned(outputs), *final]


def _operator(form: OnnxForm, inputs: Sequence[Any], size: int, *, reverse: bool) -> Sequence[Any]:
    from onnxscript import opset18

    attributes: dict[str, Any] = {"hidden_size": size}
    if reverse:
        attributes["direction"] = "reverse"
    if form.operator == "GRU":
        attributes["linear_before_reset"] = int(form.linear_before_reset)
    if form.operator == "RNN":
        attributes["activations"] = [form.activation]
    return getattr(opset18, form.operator)(*inputs, **attributes)


def _reordered(around: Around, blocks: Any, size: int, order: Sequence[int]) -> Any:
    """The gates' blocks along the first axis in ONNX's order.

    By Slice, not Split, whose several outputs are not folded into the weights at export.
    """
    if len(order) == 1:
        return blocks
    parts = [around.slice(blocks, gate * size, (gate + 1) * size, axis=0) for gate in order]
    return around.emit("Concat", *parts, axis=0)


def _kept_where_nothing_was_read(around: Around, call: Call, final: Sequence[Any]) -> list[Any]:
    """A sample of length 0 keeps its state; ONNX does not say so."""
    nothing = around.emit("Equal", call.lengths, around.constant(0, np.int64))
    nothing = around.emit("Unsqueeze", nothing, around.constant([1]))
    pairs = zip(call.states, final, strict=True)
    return [around.emit("Where", nothing, before, after) for before, after in pairs]


_INT32 = 6  # ONNX's number of the kind
