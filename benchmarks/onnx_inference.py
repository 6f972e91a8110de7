"""Exported graphs in ONNX Runtime beside our own layer and stepper, one thread each, in turns.

`ratio` is ONNX Runtime's time / ours, of the fastest; `median` over the rounds. Inputs are as wide
as the hidden state; batch 1.

    python benchmarks/onnx_inference.py [--seconds 1] [--time 100]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from peers.turns import take_turns

import ostinato

LAYERS: dict[str, Callable[[int], Any]] = {
    "LSTM": lambda size: ostinato.LSTM(size, size),
    "GRU": lambda size: ostinato.GRU(size, size),
    "layer-norm LSTM": lambda size: ostinato.LSTM(size, size, layer_norm=True),
    "sLSTM": lambda size: ostinato.Recurrent([ostinato.SLSTMCell(size, size)]),
}


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def whole_sequences(layer: Any, time: int, path: Path) -> tuple[Callable[[], Any], ...]:
    """Ours and ONNX Runtime's, each giving the outputs of one sequence."""
    ostinato.export_onnx(layer, path)
    session, inputs = session_of(path), torch.randn(1, time, layer.input_size)
    given = {"inputs": inputs.numpy()}

    def ours() -> Any:
        with torch.inference_mode():
            return layer(inputs)[0].numpy()

    return ours, lambda: session.run(["outputs"], given)[0]


def single_steps(layer: Any, path: Path) -> tuple[Callable[[], Any], ...]:
    """Ours and ONNX Runtime's, each a hundred steps; the last output."""
    graph = ostinato.export_onnx(layer, path, single_step=True)
    session, step_input = session_of(path), torch.randn(1, layer.input_size)
    array, initial = step_input.numpy(), graph.initial_state(1)
    stepper, zeros = layer.stepper(batch_size=1), layer.initial_state(1)

    def ours() -> Any:
        stepper.state = zeros
        for _ in range(_STEPS):
            output = stepper(step_input)
        return output.numpy()

    def theirs() -> Any:
        parts = list(initial.values())
        for _ in range(_STEPS):
            state = dict(zip(initial, parts, strict=True))
            output, *parts = session.run(None, {"step_input": array, **state})
        return output

    return ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--time", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'case':42} {'ours us':>9} {'onnx us':>9} {'ratio':>6} {'median':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in LAYERS.items():
            for size in (128, 512):
                layer = make(size).eval()
                cases = {
                    f"one step h={size}": (single_steps(layer, Path(folder, "step.onnx")), _STEPS),
                    f"{options.time} steps h={size}": (
                        whole_sequences(layer, options.time, Path(folder, "whole.onnx")),
                        1,
                    ),
                }
                for case, (works, count) in cases.items():
                    np.testing.assert_allclose(works[0](), works[1](), atol=1e-4)
                    turns = take_turns(*works, options.seconds)
                    times = [1e6 * seconds / count for seconds in (turns.ours, turns.peer)]
                    print(
                        f"{name + ', ' + case:42} {times[0]:9.1f} {times[1]:9.1f} "
                        f"{turns.fastest:6.2f} {turns.middle:6.2f}",
                        flush=True,
                    )


_STEPS = 100

if __name__ == "__main__":
    main()
