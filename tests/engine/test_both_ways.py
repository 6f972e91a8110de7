"""Both directions at the same time give what one after the other gives."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.engine.cpu import work
from ostinato.layers.recurrent import RecurrentLayer

SAMPLES, TIME, WIDTH = 3, 60, 64


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was carried out at the same time."""
    found: list[Any] = []
    plain = work.carry_out_both

    def carry_out_both(*both: work.Work) -> None:
        found.append(both)
        plain(*both)

    monkeypatch.setattr(work, "carry_out_both", carry_out_both)
    return found


def own_pair() -> RecurrentLayer:
    ahead = [ostinato.LSTMCell(WIDTH, WIDTH)]
    return ostinato.Recurrent(ahead, [ostinato.GRUCell(WIDTH, 96)], engine=None)


LAYERS = {
    "LSTM": lambda: ostinato.LSTM(WIDTH, WIDTH, bidirectional=True),
    "two layers": lambda: ostinato.GRU(WIDTH, WIDTH, 2, bidirectional=True),
    "zoneout": lambda: ostinato.LSTM(WIDTH, WIDTH, bidirectional=True, zoneout=0.1),
    "recurrent dropout": lambda: ostinato.RNN(
        WIDTH, 128, bidirectional=True, recurrent_dropout=0.2
    ),
    "bfloat16": lambda: ostinato.GRU(WIDTH, WIDTH, bidirectional=True, products="bfloat16"),
    "cells of two kinds": own_pair,
}


def marks(lengths: bool, resets: bool) -> dict[str, Tensor]:
    found = {}
    if lengths:
        found["lengths"] = torch.tensor([TIME, 7, 0])
    if resets:
        found["resets"] = torch.rand(SAMPLES, TIME) < 0.1
    return found


def results(layer: RecurrentLayer, inputs: Tensor, given: dict[str, Tensor]) -> list[Tensor]:
    torch.manual_seed(1)  # the same masks
    outputs, state = layer(inputs, **given)
    last = torch.cat([part for both in state for way in both for part in way], 1)
    loss = outputs.square().sum() + last.sum()
    return [outputs, last, *torch.autograd.grad(loss, [inputs, *layer.parameters()])]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("resets", [False, True])
def test_at_the_same_time_the_results_are_the_same_bits(
    name: str, lengths: bool, resets: bool, pairs: list[Any]
) -> None:
    layer, given = LAYERS[name](), marks(lengths, resets)
    inputs = torch.randn(SAMPLES, TIME, WIDTH, requires_grad=True)
    together = results(layer, inputs, given)
    assert len(pairs) == 2 * len(layer.cells)
    torch.set_num_threads(1)
    alone = results(layer, inputs, given)
    assert len(pairs) == 2 * len(layer.cells)
    for mine, other in zip(together, alone, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)


def test_without_a_gradient_the_results_are_the_same(pairs: list[Any]) -> None:
    layer, inputs = LAYERS["LSTM"](), torch.randn(SAMPLES, TIME, WIDTH)
    with torch.no_grad():
        together, _ = layer(inputs)
        assert len(pairs) == 1
        torch.set_num_threads(1)
        torch.testing.assert_close(together, layer(inputs)[0], rtol=0, atol=0)


@pytest.mark.parametrize("way", [0, 1])
def test_a_gradient_may_come_into_one_direction_only(way: int, pairs: list[Any]) -> None:
    layer = LAYERS["LSTM"]()
    inputs = torch.randn(SAMPLES, TIME, WIDTH, requires_grad=True)
    _, ((*ways,),) = layer(inputs)
    (found,) = torch.autograd.grad(ways[way].memory.sum(), [inputs])
    assert len(pairs) == 1
    torch.set_num_threads(1)
    _, ((*ways,),) = layer(inputs)
    (expected,) = torch.autograd.grad(ways[way].memory.sum(), [inputs])
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_graph_is_gone_through_twice_when_kept(pairs: list[Any]) -> None:
    layer = LAYERS["two layers"]()
    inputs = torch.randn(SAMPLES, TIME, WIDTH, requires_grad=True)
    outputs, _ = layer(inputs)
    loss = outputs.square().sum()
    first = torch.autograd.grad(loss, [inputs], retain_graph=True)
    second = torch.autograd.grad(loss, [inputs])
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert len(pairs) == 8  # forward, backward, forward again, backward; of two layers


def test_second_derivatives_are_those_of_the_reference() -> None:
    layer = ostinato.GRU(WIDTH, WIDTH, bidirectional=True).double()
    plain = ostinato.GRU(WIDTH, WIDTH, bidirectional=True, engine="reference").double()
    plain.load_state_dict(layer.state_dict())
    inputs = torch.randn(2, 40, WIDTH, dtype=torch.float64, requires_grad=True)

    def second(layer: RecurrentLayer) -> Tensor:
        loss = layer(inputs)[0].pow(3).sum()
        (first,) = torch.autograd.grad(loss, [inputs], create_graph=True)
        return torch.autograd.grad(first.square().sum(), [inputs])[0]

    torch.testing.assert_close(second(layer), second(plain))


def test_a_batch_of_gradients_is_that_of_one_by_one() -> None:
    layer = LAYERS["LSTM"]()
    inputs = torch.randn(SAMPLES, TIME, WIDTH, requires_grad=True)
    outputs, _ = layer(inputs)
    many = torch.randn(2, *outputs.shape)
    (found,) = torch.autograd.grad(
        outputs, [inputs], many, is_grads_batched=True, retain_graph=True
    )
    for place, each in enumerate(many):
        (alone,) = torch.autograd.grad(outputs, [inputs], each, retain_graph=True)
        torch.testing.assert_close(found[place], alone)


def test_too_little_work_wakes_no_second_thread(pairs: list[Any]) -> None:
    layer = ostinato.LSTM(4, 4, bidirectional=True)
    layer(torch.randn(1, 5, 4))[0].sum().backward()
    assert not pairs


def test_recomputing_and_watching_go_one_after_the_other(pairs: list[Any]) -> None:
    layer = ostinato.LSTM(WIDTH, WIDTH, bidirectional=True, recompute=True)
    layer(torch.randn(SAMPLES, TIME, WIDTH))[0].sum().backward()
    layer = LAYERS["LSTM"]()
    watch = layer.step_gradients()
    layer(torch.randn(SAMPLES, TIME, WIDTH), watch=watch)[0].sum().backward()
    assert watch[0].backward.state.memory.shape == (SAMPLES, TIME, WIDTH)
    assert not pairs
