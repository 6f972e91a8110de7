"""`export_onnx`: a model as an ONNX file, for whole sequences or one step at a time."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.engine import onnx_translations
from ostinato.errors import EngineError, SettingsError
from ostinato.export.refusals import refuse
from ostinato.export.views import SingleStep, View, WholeSequences, names_of, view_of
from ostinato.state import tensors


@dataclass(frozen=True)
class OnnxGraph:
    """An exported file and what its tensors are called, in order.

    Args:
        path: the file.
        inputs, outputs: names; each part of the state goes in as "state.LAYER.PART" and comes out
            as "next_state.LAYER.PART".
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    _initial: dict[str, Any]

    def initial_state(self, batch_size: int) -> dict[str, Any]:
        """The state before the first step, numpy arrays (batch_size, size) by input's name.

        Empty where the graph takes no state.
        """
        return {name: np.repeat(row, batch_size, axis=0) for name, row in self._initial.items()}


def export_onnx(
    model: nn.Module,
    path: str | Path,
    *,
    carry_state: bool = False,
    lengths: bool = False,
    resets: bool = False,
    single_step: bool = False,
    opset_version: int | None = None,
    example: Tensor | None = None,
) -> OnnxGraph:
    """Write a model as an ONNX file whose batch and time may have any size.

    The graph computes what the model computes in evaluation. Its inputs are, in this order,

        inputs               (batch, time, feature); of a language model `tokens` (batch, time)
        state.0.hidden ...   (batch, size), with carry_state
        lengths              integers (batch,), on request
        resets               booleans (batch, time), on request

    and its outputs

        outputs                   (batch, time, output); of a language model `log_probabilities`
        next_state.0.hidden ...   (batch, size), always

    Of a single step they are `step_input` (batch, feature) or `token` (batch,), `state...`,
    `step_output` or `log_probabilities`, and `next_state...`. A layer that reads both ways has
    "next_state.0.forward.hidden" and so on.

    Args:
        model: a layer, a `LanguageModel`, or any module that is called as they are. For other
            modules that hold our layers see `onnx_translations`.
        path: the file to write; its folder exists.
        carry_state: the state before the first step is an input, so that a session goes on where
            it was. False: each call starts afresh.
        lengths, resets: are inputs.
        single_step: a graph of one step with the state in and out, for streaming.
        opset_version: of ONNX, 18 or above; None: torch's default.
        example: inputs (batch, time, ...) of two or more samples and steps; only for modules that
            are not made here.

    Returns:
        What the graph's tensors are called, and its initial state.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        SettingsError: options that do not go together; a model in training mode with dropout or
            zoneout; a model that is not on the CPU.
        EngineError: a cell of one's own whose step the compiler cannot trace (says where), or a
            module that torch can follow for the example's sizes only.

    Example:
        >>> import tempfile
        >>> file = tempfile.NamedTemporaryFile(suffix=".onnx")
        >>> graph = export_onnx(ostinato.GRU(3, 4), file.name, carry_state=True)
        >>> graph.inputs, graph.outputs
        (('inputs', 'state.0.hidden'), ('outputs', 'next_state.0.hidden'))
    """
    path = Path(path)
    translations = onnx_translations()
    _check_opset(opset_version)
    refuse(
        model,
        path,
        carry_state=carry_state,
        lengths=lengths,
        resets=resets,
        single_step=single_step,
    )
    view = view_of(model, example)
    with torch.no_grad():
        state = model.initial_state(1)  # pyright: ignore[reportCallIssue]
    names = names_of(state)
    if single_step:
        graph, given = _single_step(model, view, state)
    else:
        marks = [name for name, wanted in (("lengths", lengths), ("resets", resets)) if wanted]
        graph, given = _whole_sequences(model, view, state if carry_state else None, marks)
    output = view.names[3 if single_step else 1]
    outputs = [output, *(f"next_{name}" for name in names)]
    _write(graph, given, outputs, path, translations, opset_version)
    carried = dict(zip(names, tensors(state), strict=True)) if carry_state or single_step else {}
    initial = {name: part.detach().numpy().copy() for name, part in carried.items()}
    return OnnxGraph(path, tuple(given), tuple(outputs), initial)


_Given = dict[str, tuple[Tensor, dict[int, Any]]]  # by name: an example, its axes of any size


def _whole_sequences(
    model: nn.Module, view: View, state: Any, marks: Sequence[str]
) -> tuple[nn.Module, _Given]:
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    samples, steps = view.example.shape[:2]
    given: _Given = {view.names[0]: (view.example, {0: batch, 1: time})}
    if state is not None:
        given |= _state_inputs(state, samples, batch)
    if "lengths" in marks:
        given["lengths"] = (torch.full((samples,), steps), {0: batch})
    if "resets" in marks:
        given["resets"] = (torch.zeros(samples, steps, dtype=torch.bool), {0: batch, 1: time})
    return WholeSequences(model, view, state, marks), given


def _single_step(model: nn.Module, view: View, state: Any) -> tuple[nn.Module, _Given]:
    batch = torch.export.Dim("batch")
    step_input = view.example[:, 0]
    given: _Given = {view.names[2]: (step_input, {0: batch})}
    given |= _state_inputs(state, step_input.shape[0], batch)
    return SingleStep(model, view, state), given


def _state_inputs(state: Any, samples: int, batch: Any) -> _Given:
    parts = [part.detach().repeat(samples, 1) for part in tensors(state)]
    return {name: (part, {0: batch}) for name, part in zip(names_of(state), parts, strict=True)}


def _write(
    graph: nn.Module,
    given: _Given,
    outputs: Sequence[str],
    path: Path,
    translations: Any,
    opset_version: int | None,
) -> None:
    graph.training = False  # of the wrapper alone
    examples = tuple(example for example, _ in given.values())
    axes = tuple(axes for _, axes in given.values())
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            (examples,),
            input_names=list(given),
            output_names=list(outputs),
            dynamic_shapes=(axes,),
            dynamo=True,
            custom_translation_table=translations,
            opset_version=opset_version,
            verbose=False,
        )
    assert program is not None
    _check_axes(program.model.graph.inputs, given)
    program.save(path)


def _check_axes(inputs: Sequence[Any], given: _Given) -> None:
    """Where torch cannot follow a model for any size, it freezes the example's and says nothing."""
    for value, (name, (_, axes)) in zip(inputs, given.items(), strict=True):
        frozen = [str(dim) for axis, dim in axes.items() if isinstance(value.shape[axis], int)]
        if frozen:
            raise EngineError(
                f"torch could not export this model for any size of {' and '.join(frozen)} "
                f"(input {name!r}): something in it depends on the size of the example"
            )


@contextmanager
def _quietly() -> Iterator[None]:
    """torch's exporter speaks of packages that are not there and of its own old names."""
    loud = logging.getLogger("torch.onnx")
    level = loud.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loud.setLevel(logging.ERROR)
        try:
            yield
        finally:
            loud.setLevel(level)


def _check_opset(version: int | None) -> None:
    if version is not None and version < _OLDEST_OPSET:
        raise SettingsError(f"opset_version must be {_OLDEST_OPSET} or above, got {version}")


_OLDEST_OPSET = 18
