"""An LSTM in ONNX Runtime: whole sequences, or single steps that hand their state on.

Steps use bound memory, two sets of it in turns, so that nothing is copied between them. They come
in two forms: ONNX's LSTM operator, or its arithmetic with one `Gemm`, which is the faster one where
the weights are large.
"""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper
from serve import Arrays, Prepared, serve

Shapes = dict[str, list[int]]


def model_of(nodes: list[Any], given: Shapes, found: Shapes, weights: Arrays) -> ModelProto:
    def told(shapes: Shapes) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "lstm", told(given), told(found), constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def shapes(names: Iterable[str], shape: list[int]) -> Shapes:
    return {name: shape for name in names}


def operator_weights(arrays: Arrays) -> dict[str, np.ndarray]:
    """In ONNX's order: input, output, forget, candidate."""

    def ordered(array: np.ndarray) -> np.ndarray:
        entry, forget, candidate, out = np.split(array, 4)
        return np.concatenate([entry, out, forget, candidate])

    biases = np.concatenate([ordered(arrays["bias_ih"]), ordered(arrays["bias_hh"])])
    return {
        "W": ordered(arrays["weight_ih"])[None],
        "R": ordered(arrays["weight_hh"])[None],
        "B": biases[None],
    }


def whole_sequence(arrays: Arrays) -> ModelProto:
    weights = operator_weights(arrays)
    size, time_steps = arrays["weight_hh"].shape[1], arrays["inputs"].shape[1]
    node = helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=size)
    shape = [time_steps, 1, size]
    return model_of([node], {"x": shape}, {"y": [time_steps, 1, 1, size]}, weights)


def step_by_operator(arrays: Arrays) -> ModelProto:
    size = arrays["weight_hh"].shape[1]
    names = ["x", "W", "R", "B", "", "h", "c"]
    node = helper.make_node("LSTM", names, ["", "next_h", "next_c"], hidden_size=size)
    shape = [1, 1, size]
    given, found = shapes("xhc", shape), shapes(("next_h", "next_c"), shape)
    return model_of([node], given, found, operator_weights(arrays))


def step_by_gemm(arrays: Arrays) -> ModelProto:
    size = arrays["weight_hh"].shape[1]
    both = np.concatenate([arrays["weight_ih"], arrays["weight_hh"]], 1)
    weights = {"W": np.ascontiguousarray(both.T), "B": arrays["bias_ih"] + arrays["bias_hh"]}
    make = helper.make_node
    nodes = [
        make("Concat", ["x", "h"], ["xh"], axis=1),
        make("Gemm", ["xh", "W", "B"], ["gates"]),
        make("Split", ["gates"], ["a", "b", "d", "e"], axis=1, num_outputs=4),
        *(make("Sigmoid", [name], [f"gate_{name}"]) for name in "abe"),
        make("Tanh", ["d"], ["candidate"]),
        make("Mul", ["gate_b", "c"], ["kept"]),
        make("Mul", ["gate_a", "candidate"], ["written"]),
        make("Add", ["kept", "written"], ["next_c"]),
        make("Tanh", ["next_c"], ["squashed"]),
        make("Mul", ["gate_e", "squashed"], ["next_h"]),
    ]
    given, found = shapes("xhc", [1, size]), shapes(("next_h", "next_c"), [1, size])
    return model_of(nodes, given, found, weights)


def session_of(model: ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    text = model.SerializeToString()
    return onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])


def sequence_work(session: Any, inputs: np.ndarray) -> Any:
    rows = np.ascontiguousarray(inputs.swapaxes(0, 1))

    def work() -> Arrays:
        (outputs,) = session.run(None, {"x": rows})
        return {"outputs": outputs[:, 0].swapaxes(0, 1)}

    return work


def steps_work(session: Any, step_input: np.ndarray, steps: int) -> Any:
    shape = session.get_inputs()[0].shape
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    x, zeros = value(step_input.reshape(shape)), np.zeros(shape, np.float32)
    states = [[value(zeros.copy()) for _ in "hc"] for _ in range(2)]
    turns = []
    for number, state in enumerate(states):
        turn = session.io_binding()
        turn.bind_ortvalue_input("x", x)
        for name, before, after in zip("hc", state, states[1 - number], strict=True):
            turn.bind_ortvalue_input(name, before)
            turn.bind_ortvalue_output(f"next_{name}", after)
        turns.append(turn)

    def work() -> Arrays:
        for part in states[0]:
            part.update_inplace(zeros)
        for step in range(steps):
            session.run_with_iobinding(turns[step % 2])
        return {"outputs": states[steps % 2][0].numpy().reshape(1, -1).copy()}

    return work


def prepare(options: dict[str, Any], arrays: Arrays) -> Prepared:
    used = time.process_time()
    model = _MODELS[options["form"]](arrays)
    session = session_of(model, options["threads"])
    seconds = time.process_time() - used
    if options["form"] == "sequence":
        return sequence_work(session, arrays["inputs"]), seconds
    return steps_work(session, arrays["inputs"], options["steps"]), seconds


_MODELS = {"sequence": whole_sequence, "operator": step_by_operator, "gemm": step_by_gemm}

if __name__ == "__main__":
    serve(prepare)
