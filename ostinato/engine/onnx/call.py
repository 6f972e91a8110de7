"""One call of the operator, as torch's exporter hands it over: its values by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.engine.kinds import Kind
from ostinato.engine.loop import split_given
from ostinato.engine.onnx.operations import Around


@dataclass(frozen=True)
class Call:
    """Values of the graph: `inputs` (time, batch, feature), the parts of the state (batch, size).

    `initials`: what resets return to, or (); `lengths` (batch,) and `resets` (batch, time) or
    None; `keep`: the rates of zoneout, (size,) each, or ().
    """

    kind: Kind
    inputs: Any
    states: Sequence[Any]
    initials: Sequence[Any]
    parameters: Mapping[str, Any]
    lengths: Any
    resets: Any
    keep: Sequence[Any]
    reverse: bool


def call_of(kind: Kind, given: Sequence[Any], marks: Sequence[Any], *, reverse: bool) -> Call:
    """The operator's flat lists by name."""
    inputs, states, initials, parameters = split_given(kind, given)
    lengths, resets, _, *keep = marks
    return Call(
        kind,
        turned(inputs),
        states,
        initials,
        dict(zip(kind.shapes, parameters, strict=True)),
        lengths,
        resets,
        keep,
        reverse,
    )


def turned(sequence: Any) -> Any:
    """(batch, time, feature) as (time, batch, feature), or back."""
    return Around().emit("Transpose", sequence, perm=[1, 0, 2])
