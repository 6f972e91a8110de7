"""The official ONNX node tests of RNN, GRU and LSTM, run through our cells."""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from onnx.backend.test.case import node as onnx_nodes

from ostinato import GRUCell, LSTMCell, RNNCell, unroll
from ostinato.engine import Reading
from ostinato.state import HiddenState, LSTMState

# Each of these modules makes its cases when it is imported; importing all of ONNX's takes long.
for module in ("rnn", "gru", "lstm"):
    importlib.import_module(f"{onnx_nodes.__name__}.{module}")
CASES = {
    case.name: case
    for case in onnx_nodes._NodeTestCases
    if case.model.graph.node[0].op_type in ("RNN", "GRU", "LSTM")
}


def arrays(case: Any) -> dict[str, np.ndarray]:
    """The inputs of the case's one node by ONNX's names: X W R B sequence_lens initial_h ..."""
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    node = case.model.graph.node[0]
    given = dict(zip([i.name for i in case.model.graph.input], case.data_sets[0][0], strict=True))
    return {
        name: np.asarray(given[place])
        for name, place in zip(names, node.input, strict=False)
        if place
    }


def reorder(blocks: np.ndarray, order: tuple[int, ...]) -> torch.Tensor:
    """Gate blocks along the first axis, from ONNX's order to ours."""
    parts = np.split(blocks, len(order))
    return torch.from_numpy(np.concatenate([parts[index] for index in order]))


# ONNX: LSTM input, output, forget, candidate; GRU update, reset, candidate.
ORDERS = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}


def make_cell(node: Any, given: dict[str, np.ndarray], way: int) -> Any:
    options = {a.name: a.i for a in node.attribute}
    hidden, features = given["R"].shape[2], given["W"].shape[2]
    order = ORDERS[node.op_type]
    if node.op_type == "RNN":
        cell = RNNCell(features, hidden)
    elif node.op_type == "GRU":
        reset = "after" if options.get("linear_before_reset") else "before"
        cell = GRUCell(features, hidden, reset=reset)
    else:
        cell = LSTMCell(features, hidden, peepholes="P" in given)
    biases = np.split(given["B"][way], 2) if "B" in given else [np.zeros(len(order) * hidden)] * 2
    with torch.no_grad():
        cell.weight_ih.copy_(reorder(given["W"][way], order))
        cell.weight_hh.copy_(reorder(given["R"][way], order))
        cell.bias_ih.copy_(reorder(biases[0], order))
        cell.bias_hh.copy_(reorder(biases[1], order))
        if "P" in given:
            peepholes = torch.from_numpy(given["P"][way]).split(hidden)
            cell.peephole_input.copy_(peepholes[0])
            cell.peephole_output.copy_(peepholes[1])
            cell.peephole_forget.copy_(peepholes[2])
    return cell


def initial(given: dict[str, np.ndarray], way: int, axis: int) -> Any:
    if "initial_h" not in given:
        return None
    hidden = torch.from_numpy(given["initial_h"].take(way, axis).copy())
    if "initial_c" not in given:
        return HiddenState(hidden)
    return LSTMState(hidden, torch.from_numpy(given["initial_c"].take(way, axis).copy()))


def directions(node: Any) -> list[bool]:
    """For each direction of the node, whether it reads backward."""
    named = {a.name: a.s.decode() for a in node.attribute}.get("direction", "forward")
    return {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[named]


@pytest.mark.parametrize("name", sorted(CASES))
def test_onnx_case(name: str) -> None:
    case = CASES[name]
    given, node = arrays(case), case.model.graph.node[0]
    batchwise = any(a.name == "layout" and a.i == 1 for a in node.attribute)
    inputs = torch.from_numpy(given["X"].copy())
    inputs = inputs if batchwise else inputs.transpose(0, 1)
    lengths = given.get("sequence_lens")
    lengths = None if lengths is None else torch.from_numpy(lengths.copy())
    read = [
        unroll(
            make_cell(node, given, way),
            inputs,
            initial(given, way, 1 if batchwise else 0),
            Reading(lengths=lengths, reverse=reverse),
        )
        for way, reverse in enumerate(directions(node))
    ]
    outputs = torch.stack([one.outputs for one in read], 2)
    axis = 1 if batchwise else 0
    final, memory = (torch.stack([one.state[part] for one in read], axis) for part in (0, -1))
    ours = {"Y": outputs if batchwise else outputs.permute(1, 2, 0, 3), "Y_h": final, "Y_c": memory}
    names = [output for output in node.output if output]
    for key, value in zip(names, case.data_sets[0][1], strict=True):
        expected = np.asarray(value)
        np.testing.assert_allclose(ours[key].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_there_are_cases_of_every_kind() -> None:
    kinds = [case.model.graph.node[0].op_type for case in CASES.values()]
    assert {kind: kinds.count(kind) >= 3 for kind in ORDERS} == dict.fromkeys(ORDERS, True)
