"""Odd surroundings of a call: gradients, hooks, checkpointing, tracing, copies."""

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from own_cells import (
    HIDDEN,
    Own,
    assert_same,
    lstm,
    mended,
    of_sum,
    reason_of,
)
from torch.utils.checkpoint import checkpoint

import ostinato
from ostinato.engine import unroll


def test_calls_with_and_without_gradients_take_turns() -> None:
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(2, 5, 3)
    with torch.inference_mode():
        first = layer(inputs)[0].clone()
    layer(inputs)[0].sum().backward()
    with torch.no_grad():
        second = layer(inputs)[0]
    assert_same([first, layer(inputs)[0].detach()], [second, second])


def test_a_graph_is_gone_through_three_times_and_on_another_thread() -> None:
    torch.set_num_threads(2)
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(7, 5, 3, requires_grad=True)
    loss = layer(inputs)[0].square().sum()
    found = [torch.autograd.grad(loss, inputs, retain_graph=True)[0] for _ in range(2)]
    torch.set_num_threads(1)
    thread = threading.Thread(target=lambda: found.extend(torch.autograd.grad(loss, inputs)))
    thread.start()
    thread.join()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_hooks_see_and_change_gradients() -> None:
    layer = ostinato.LSTM(3, 4)
    weight, seen = layer.cells[0].weight_hh, []
    (expected,) = torch.autograd.grad(layer(torch.ones(2, 3, 3))[0].sum(), weight)
    weight.register_hook(lambda gradient: 2 * gradient)
    weight.register_post_accumulate_grad_hook(lambda own: seen.append(own.grad.clone()))
    layer(torch.ones(2, 3, 3))[0].sum().backward()
    assert torch.equal(seen[0], 2 * expected)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_gives_the_same_gradients(reentrant: bool) -> None:
    layer, inputs = ostinato.LSTM(3, 4).double(), torch.randn(2, 5, 3, dtype=torch.float64)
    leaves = [inputs.requires_grad_(), *layer.parameters()]
    expected = torch.autograd.grad(layer(inputs)[0].square().sum(), leaves)
    found: Any = checkpoint(lambda inputs: layer(inputs)[0], inputs, use_reentrant=reentrant)
    found.square().sum().backward()
    assert_same([leaf.grad for leaf in leaves], expected)  # pyright: ignore


@pytest.mark.parametrize("surrounding", [
    mended(lambda: torch.autograd.graph.save_on_cpu(), reason="functorch and saved-tensor hooks"),
    mended(lambda: torch.autograd.set_detect_anomaly(True), reason="anomaly mode looks at values"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_where_the_first_call_stands_has_no_say_in_later_ones(surrounding: Any) -> None:
    cell = Own(of_sum(lambda z: torch.tanh(z) * 0.321))
    with surrounding():
        unroll(cell, torch.randn(1, 2, 3))
    assert reason_of(cell).startswith("compiled")


def test_derivatives_in_one_batch_are_those_one_by_one() -> None:
    cell, inputs = lstm(), torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    outputs = unroll(cell, inputs).outputs[0, -1]
    one_by_one = [torch.autograd.grad(each, inputs, retain_graph=True)[0] for each in outputs]
    (together,) = torch.autograd.grad(
        outputs, inputs, torch.eye(HIDDEN, dtype=torch.float64), is_grads_batched=True
    )
    assert_same(together, one_by_one)


def test_a_default_device_does_not_matter() -> None:
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(2, 5, 3)
    with torch.device("meta"):
        assert layer(inputs)[0].device.type == "cpu"


def test_a_layer_can_be_traced_by_torch_jit() -> None:
    layer, inputs = ostinato.GRU(3, 4).eval(), torch.randn(2, 2, 5, 3)
    traced: Any = torch.jit.trace(layer, (inputs[0],), check_trace=False)
    assert_same([traced(inputs[1])[0]], [layer(inputs[1])[0]], 1e-6)


def test_a_layer_is_copied_saved_and_moved_after_use(tmp_path: Path) -> None:
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(2, 5, 3)
    expected = layer(inputs)[0]
    torch.save(layer, tmp_path / "layer.pt")
    again = torch.load(tmp_path / "layer.pt", weights_only=False)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), again):
        assert torch.equal(other(inputs)[0], expected)
    assert layer.to(torch.float64)(inputs.double())[0].dtype == torch.float64
    assert torch.equal(layer.to(torch.float32)(inputs)[0], expected)


def test_a_layer_without_numbers_gives_shapes() -> None:
    layer = ostinato.LSTM(3, 4).to("meta")
    assert layer(torch.empty(2, 5, 3, device="meta"))[0].shape == (2, 5, 4)
