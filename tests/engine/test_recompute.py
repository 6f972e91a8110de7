"""Segments that run again for the gradient give what a stored loop gives."""

from typing import Any

import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.engine import Noise, Reading, unroll
from ostinato.engine.recompute import segment_length
from ostinato.errors import SettingsError
from ostinato.state import map_state, tensors

SAMPLES, TIME, FEATURES, HIDDEN = 5, 14, 3, 4
CELLS: dict[str, Any] = {
    "lstm": ostinato.LSTMCell,
    "gru-before-norm": lambda d, h: ostinato.GRUCell(d, h, reset="before", layer_norm=True),
    "slstm": ostinato.SLSTMCell,
}
OPTIONS: list[tuple[str, ...]] = [
    (),
    ("reverse",),
    ("lengths", "resets"),
    ("lengths", "resets", "reverse"),
    ("lengths", "keep", "mask", "reverse", "all_states"),
    ("resets", "keep", "reverse", "all_states"),
    ("lengths", "rate", "reverse"),
    ("keep", "mask", "all_states"),
]


def found(name: str, options: tuple[str, ...], engine: str, *, recompute: bool) -> list[Tensor]:
    """Results and gradients of everything, from a random state and for a random loss."""
    torch.manual_seed(0)
    cell = CELLS[name](FEATURES, HIDDEN).double()
    widths = cell.state_sizes

    def draw(width: int) -> Tensor:
        return (torch.rand(SAMPLES, width).double() + 0.5).requires_grad_()

    inputs = torch.randn(SAMPLES, TIME, FEATURES, dtype=torch.float64, requires_grad=True)
    state, initial = map_state(draw, widths), map_state(draw, widths)
    mask = (torch.rand(SAMPLES, widths[0]) < 0.7).double() / 0.7
    keep = map_state(lambda width: (torch.rand(SAMPLES, TIME, width) < 0.3).double(), widths)
    rate = map_state(
        lambda width: torch.full((1, 1, 1), 0.3).double().expand(SAMPLES, TIME, width), widths
    )
    reading = Reading(
        torch.tensor([14, 0, 3, 9, 8]) if "lengths" in options else None,
        torch.rand(SAMPLES, TIME) < 0.3 if "resets" in options else None,
        initial,
        "reverse" in options,
    )
    zoneout = {"keep": keep, "rate": rate}.get("keep" if "keep" in options else "rate")
    noise = Noise(
        mask if "mask" in options else None,
        zoneout if {"keep", "rate"} & set(options) else None,
    )
    unrolled = unroll(
        cell,
        inputs,
        state,
        reading,
        noise,
        engine=engine,
        all_states="all_states" in options,
        recompute=recompute,
    )
    results = [unrolled.outputs, *tensors(unrolled.state), *tensors(unrolled.states or ())]
    torch.manual_seed(1)
    loss = torch.stack([(each * torch.randn(each.shape)).sum() for each in results]).sum()
    leaves = [inputs, *tensors(state), *tensors(initial), *cell.parameters()]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return [*results, *gradients]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("name", CELLS)
def test_results_and_gradients_are_those_of_a_stored_loop(
    name: str, options: tuple[str, ...], engine: str
) -> None:
    again = found(name, options, engine, recompute=True)
    stored = found(name, options, engine, recompute=False)
    for one, other in zip(again, stored, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_torch_s_kernels_run_in_segments_too() -> None:
    layer = ostinato.LSTM(3, 4, engine="vendor", recompute=True)
    twin = ostinato.LSTM(3, 4, engine="vendor")
    twin.load_state_dict(layer.state_dict())
    inputs = torch.randn(2, 11, 3, requires_grad=True)
    one, other = (
        torch.autograd.grad(each(inputs)[0].square().sum(), [inputs, *each.parameters()])
        for each in (layer, twin)
    )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "reference", "vendor"])
def test_nothing_is_kept_but_inputs_states_and_parameters(engine: str) -> None:
    layer = ostinato.LSTM(2, 64, engine=engine, recompute=True)
    inputs = torch.randn(1, 100, 2)
    layer(inputs)
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs, _ = layer(inputs)
    largest = max(parameter.untyped_storage().nbytes() for parameter in layer.parameters())
    assert max(kept) <= largest
    assert outputs.sum().requires_grad


def test_graphs_and_transforms_give_the_same() -> None:
    torch._dynamo.reset()
    layer, inputs = ostinato.LSTM(3, 4, recompute=True).double(), torch.randn(2, 9, 3).double()
    graph = torch.compile(layer, fullgraph=True, backend="aot_eager")

    def gradient(layer: Any) -> Tensor:
        leaf = inputs.clone().requires_grad_()
        return torch.autograd.grad(layer(leaf)[0].square().sum(), leaf)[0]

    torch.testing.assert_close(gradient(graph), gradient(layer), rtol=0, atol=1e-12)
    found = torch.func.grad(lambda leaf: layer(leaf)[0].square().sum())(inputs)
    torch.testing.assert_close(found, gradient(layer), rtol=0, atol=1e-12)


def test_second_derivatives_are_right() -> None:
    cell = ostinato.GRUCell(2, 2).double()

    def outputs(inputs: Tensor) -> Tensor:
        return unroll(cell, inputs, engine="compiled", recompute=True).outputs

    inputs = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(outputs, (inputs,))


def test_a_graph_can_be_gone_through_twice() -> None:
    layer, inputs = ostinato.LSTM(3, 4, recompute=True), torch.randn(2, 9, 3, requires_grad=True)
    loss = layer(inputs)[0].square().sum()
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert torch.equal(first[0], torch.autograd.grad(loss, inputs)[0])


@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 9, 4), (2, 12, 4), (2, 1, 1)])
def test_masks_that_serve_for_many_steps_serve_every_segment(shape: tuple[int, ...]) -> None:
    cell, inputs = ostinato.GRUCell(3, 4), torch.randn(2, 9, 3)
    noise = Noise(keep=ostinato.HiddenState((torch.rand(shape) < 0.5).float()))
    reading = Reading(torch.tensor([9, 4]), reverse=True)
    found = unroll(cell, inputs, None, reading, noise, recompute=True)
    expected = unroll(cell, inputs, None, reading, noise)
    torch.testing.assert_close(found.outputs, expected.outputs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("time", [0, 1, 2, 3])
def test_short_sequences_are_right(time: int) -> None:
    layer, plain = ostinato.GRU(3, 4, recompute=True), ostinato.GRU(3, 4)
    plain.load_state_dict(layer.state_dict())
    inputs = torch.randn(2, time, 3)
    torch.testing.assert_close(layer(inputs)[0], plain(inputs)[0], rtol=0, atol=1e-6)


def test_cells_without_a_state_recompute_too() -> None:
    layer, plain = ostinato.FeedForward(3, 4, recompute=True), ostinato.FeedForward(3, 4)
    plain.load_state_dict(layer.state_dict())
    inputs = torch.randn(2, 9, 3, requires_grad=True)
    one, other = (
        torch.autograd.grad(each(inputs)[0].square().sum(), [inputs, *each.parameters()])
        for each in (layer, plain)
    )
    torch.testing.assert_close(one, other)


def test_segments_are_as_long_as_the_root_of_time() -> None:
    assert [segment_length(time) for time in (1, 2, 4, 5, 9, 100, 101)] == [1, 2, 2, 3, 3, 10, 11]


def test_recompute_must_be_a_truth() -> None:
    with pytest.raises(SettingsError, match="recompute must be True or False, got 8"):
        ostinato.LSTM(3, 4, recompute=8)  # pyright: ignore[reportArgumentType]
