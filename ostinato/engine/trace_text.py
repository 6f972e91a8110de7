"""A traced step as text, and back: what is kept on the disk of it."""

import json
from collections.abc import Callable
from typing import Any

from ostinato.engine.lowering import MatrixGradient, Outer, VectorGradient
from ostinato.engine.program import Matrix, NumberLabel, Program, Row
from ostinato.engine.trace import Form, TracedStep

_TUPLES: dict[str, Callable[..., Any]] = {
    kind.__name__: kind for kind in (Matrix, Outer, MatrixGradient, VectorGradient)
}


def text_of(traced: TracedStep) -> str:
    """All of a traced step, as JSON: nodes by their numbers, numbers to their last bit."""
    program = traced.program
    written = {
        "nodes": [
            [
                node.operation,
                [part.number for part in node.arguments],
                _written(node.label),
                node.width,
            ]
            for node in program.nodes
        ],
        "cuts": [[_written(name), sorted(places)] for name, places in program.cuts.items()],
        "form": list(traced.form),
        "sizes": [traced.input_width, list(traced.state_widths)],
        "rows": [
            _written(rows)
            for rows in (
                traced.output,
                traced.states,
                traced.input_gradient,
                traced.state_gradients,
                traced.initial_gradients,
                traced.watched,
            )
        ],
        "gradients": [[name, _written(each)] for name, each in traced.parameter_gradients.items()],
    }
    return json.dumps(written, separators=(",", ":"))


def traced_from(text: str) -> TracedStep:
    """The traced step that `text_of` wrote, its nodes numbered as they were."""
    read = json.loads(text)
    program = Program({})
    for operation, arguments, label, width in read["nodes"]:
        parts = [program.nodes[number] for number in arguments]
        program.node(operation, parts, _read(label, program), width)
    program.cuts.update((_read(name, program), set(places)) for name, places in read["cuts"])
    input_width, state_widths = read["sizes"]
    output, states, input_gradient, state_gradients, initial_gradients, watched = (
        _read(rows, program) for rows in read["rows"]
    )
    return TracedStep(
        program,
        Form(*read["form"]),
        input_width,
        tuple(state_widths),
        output,
        states,
        input_gradient,
        state_gradients,
        initial_gradients,
        {name: _read(each, program) for name, each in read["gradients"]},
        watched,
    )


def _written(value: Any) -> Any:
    """A value in JSON's words: what JSON has not is an object with one entry, its kind."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, Row):
        return {"Row": [node.number for node in value.pieces]}
    if isinstance(value, tuple):
        kind = type(value).__name__
        return {kind: [_written(each) for each in value]}
    raise TypeError(f"a traced step holds a {type(value).__name__}, which has no text")


def _read(value: Any, program: Program) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "float":
        return NumberLabel(float.fromhex(held))
    if kind == "Row":
        return Row(program.nodes[number] for number in held)
    parts = tuple(_read(each, program) for each in held)
    return parts if kind == "tuple" else _TUPLES[kind](*parts)
