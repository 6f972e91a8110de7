"""Odd inputs, masks, widths and losses."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from every_cell import CELLS
from own_cells import (
    FEATURES,
    HIDDEN,
    Own,
    assert_same,
    differentiated,
    lstm,
    mended,
    of_sum,
    readings,
)
from torch import Tensor, nn

import ostinato
from ostinato.engine import Noise, Reading, unroll
from ostinato.errors import EngineError, ShapeError
from ostinato.state import LSTMState

LAYOUTS = {
    "every second": lambda: torch.randn(8, 9, 12)[::2, ::2, ::4],
    "time first": lambda: torch.randn(5, 4, 3).transpose(0, 1),
    "features first": lambda: torch.randn(4, 3, 5).transpose(1, 2),
    "one sample for all": lambda: torch.randn(1, 5, 3).expand(4, 5, 3),
    "one step for all": lambda: torch.randn(4, 1, 3).expand(4, 5, 3),
    "one number a step": lambda: torch.randn(4, 5, 1).expand(4, 5, 3),
}


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
def test_inputs_may_lie_in_memory_as_they_like(make: Any) -> None:
    cell, inputs = lstm(), make().double()
    for reading in readings(cell):
        assert_same(
            differentiated(cell, inputs, reading, "compiled"),
            differentiated(cell, inputs.contiguous(), reading, "reference"),
        )


@pytest.mark.parametrize(("samples", "time"), [(0, 3), (1, 1), (3, 1), (2, 0)])
def test_empty_and_single_batches_and_steps_are_right(samples: int, time: int) -> None:
    cell, inputs = lstm(), torch.randn(samples, time, FEATURES, dtype=torch.float64)
    for reading in readings(cell, samples, time):
        found, _ = ostinato.Recurrent([cell])(inputs, lengths=reading.lengths)
        expected = unroll(cell, inputs, None, Reading(reading.lengths), engine="reference").outputs
        assert_same([found], [expected])


@pytest.mark.parametrize("hidden", [1, 15, 16, 17, 1000])
def test_any_width_is_right(hidden: int) -> None:
    cell, inputs = lstm(hidden), torch.randn(3, 2, FEATURES, dtype=torch.float64)
    assert_same(
        differentiated(cell, inputs, Reading(), "compiled"),
        differentiated(cell, inputs, Reading(), "reference"),
    )


def test_a_batch_of_several_blocks_is_right() -> None:
    cell, inputs = ostinato.GRUCell(FEATURES, 300), torch.randn(200, 2, FEATURES)
    assert_same(
        differentiated(cell, inputs, Reading(), "compiled"),
        differentiated(cell, inputs, Reading(), "reference"),
        1e-4,
    )


LOSSES: dict[str, Callable[[Any], Tensor]] = {
    "outputs": lambda found: found.outputs.sum(),
    "final hidden": lambda found: found.state.hidden.sum(),
    "final memory": lambda found: found.state.memory.square().sum(),
    "one step": lambda found: found.outputs[:, 2].sum(),
    "one sample": lambda found: found.outputs[0].sum(),
    "repeated": lambda found: found.outputs.expand(3, *found.outputs.shape).sum(),
    "strided": lambda found: found.outputs.transpose(1, 2).flatten()[::2].sum(),
}
WAYS = {
    "whole": Reading(),
    "no steps": Reading(torch.zeros(4, dtype=torch.long)),
    "resets everywhere": Reading(None, torch.ones(4, 5, dtype=torch.bool)),
    "backward": Reading(torch.tensor([3, 5, 0, 1]), torch.ones(4, 5, dtype=torch.bool), None, True),
}


@pytest.mark.parametrize("reading", WAYS.values(), ids=WAYS)
def test_a_loss_may_take_any_part(reading: Reading) -> None:
    cell, inputs = lstm(), torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    leaves = [inputs, *cell.parameters()]

    def gradients(loss: Callable[[Any], Tensor], engine: str) -> Sequence[Tensor]:
        found = unroll(cell, inputs, None, reading, engine=engine)
        return torch.autograd.grad(loss(found), leaves, allow_unused=True, materialize_grads=True)

    for loss in LOSSES.values():
        assert_same(gradients(loss, "compiled"), gradients(loss, "reference"))


def test_only_what_asks_for_a_gradient_gets_one() -> None:
    cell = lstm().requires_grad_(False)
    cell.bias_hh.requires_grad_()  # pyright: ignore
    unroll(cell, torch.randn(2, 3, 3).double(), engine="compiled").outputs.sum().backward()
    assert [name for name, part in cell.named_parameters() if part.grad is not None] == ["bias_hh"]


def test_a_parameter_that_is_not_used_has_no_gradient() -> None:
    cell = Own(of_sum(torch.tanh), extra=nn.Parameter(torch.ones(4)))
    unroll(cell, torch.randn(2, 3, 3), engine="compiled").outputs.sum().backward()
    assert cell.extra.grad is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e100, 1e-310])
def test_an_odd_number_goes_where_the_reference_lets_it_go(value: float) -> None:
    cell, inputs = ostinato.RNNCell(3, 4, layer_norm=True).double(), torch.randn(4, 5, 3).double()
    inputs[1, 2, 0] = value
    for reading in readings(cell):
        assert_same(
            differentiated(cell, inputs, reading, "compiled"),
            differentiated(cell, inputs, reading, "reference"),
        )


def test_a_layer_twice_in_a_stack_and_a_shared_weight_get_the_sum_of_their_gradients() -> None:
    one, two = ostinato.LSTMCell(4, 4).double(), ostinato.LSTMCell(4, 4).double()
    two.weight_hh = one.weight_hh
    inputs = torch.randn(2, 5, 4, dtype=torch.float64)

    def gradients(engine: str | None) -> Sequence[Tensor]:
        layer = ostinato.Recurrent([one, two, one], engine=engine)
        return torch.autograd.grad(layer(inputs)[0].square().sum(), list(layer.parameters()))

    assert_same(gradients(None), gradients("reference"))


ODD_MASKS = [
    mended("of truths", lambda: torch.rand(4, HIDDEN) < 0.5, reason="read as if it were floats"),
    mended("in half", lambda: torch.rand(4, HIDDEN).half(), reason="read as if it were floats"),
    mended("for all samples", lambda: torch.rand(1, HIDDEN), reason="read past its end"),
    mended("with its sign to come", lambda: torch._neg_view(torch.rand(4, HIDDEN)),
          reason="read without the sign"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make"), ODD_MASKS)
def test_a_mask_may_be_whatever_the_reference_multiplies_with(name: str, make: Any) -> None:
    cell, inputs, noise = lstm(dtype=torch.float32), torch.randn(4, 5, 3), Noise(make())
    assert_same(
        differentiated(cell, inputs, Reading(), None, noise),
        differentiated(cell, inputs, Reading(), "reference", noise),
        1e-5,
    )


def test_a_mask_for_another_batch_is_refused() -> None:
    with pytest.raises((RuntimeError, ShapeError)):
        unroll(lstm(), torch.randn(4, 5, 3).double(), noise=Noise(torch.rand(9, HIDDEN).double()))


def test_zoneout_masks_of_a_longer_call_serve_a_shorter_one_with_lengths() -> None:
    layer = ostinato.GRU(3, 4, zoneout=0.5).double()
    inputs, lengths = torch.randn(2, 8, 3).double(), torch.tensor([5, 2])
    noise = layer.draw_noise(inputs, 8)
    cell = layer.cells[0]
    reading, masks = Reading(lengths), noise[0].forward
    expected = unroll(cell, inputs[:, :5], None, reading, masks, engine="reference")  # pyright: ignore
    assert_same([layer(inputs[:, :5], lengths=lengths, noise=noise)[0]], [expected.outputs])


def test_a_mask_with_a_gradient_gets_it() -> None:
    mask = torch.rand(4, HIDDEN, dtype=torch.float64, requires_grad=True)
    found = unroll(lstm(), torch.randn(4, 5, 3).double(), noise=Noise(mask))
    (gradient,) = torch.autograd.grad(found.outputs.sum(), mask)
    assert gradient.abs().sum() > 0


def test_weights_that_stand_for_a_cell_s_own_must_be_like_them() -> None:
    cell, inputs = lstm(), torch.randn(2, 3, 3, dtype=torch.float64)
    small = Noise(weights={"weight_hh": torch.randn(2, 2, dtype=torch.float64)})
    single = Noise(weights={"weight_hh": torch.randn(16, 4)})
    for noise in (small, single):
        with pytest.raises(EngineError, match="what stands for weight_hh is not like it"):
            unroll(cell, inputs, noise=noise, engine="compiled")


@pytest.mark.parametrize(
    "noise",
    [
        lambda: Noise(torch.rand(4, 3)),
        lambda: Noise(torch.rand(HIDDEN)),
        lambda: Noise(None, LSTMState(torch.rand(4, 2, HIDDEN), torch.rand(4, 5, HIDDEN))),
        lambda: Noise(None, LSTMState(torch.rand(4, 5, HIDDEN), torch.rand(2, 5, HIDDEN))),
    ],
)
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_masks_that_do_not_fit_are_refused_by_every_engine(noise: Any, engine: str) -> None:
    with pytest.raises(ShapeError, match="the noise's"):
        unroll(lstm(dtype=torch.float32), torch.randn(4, 5, 3), noise=noise(), engine=engine)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_nan_in_one_sample_touches_no_gradient_of_another(name: str) -> None:
    cell = CELLS[name](FEATURES, HIDDEN).double()
    inputs = torch.randn(4, 5, FEATURES, dtype=torch.float64)
    inputs[1, 2] = float("nan")
    inputs.requires_grad_()
    (gradient,) = torch.autograd.grad(unroll(cell, inputs, engine="compiled").outputs.sum(), inputs)
    others = torch.tensor([0, 2, 3])
    clean = inputs.detach()[others].requires_grad_()
    (expected,) = torch.autograd.grad(unroll(cell, clean, engine="compiled").outputs.sum(), clean)
    assert_same([gradient[others]], [expected])
    assert gradient[1].isnan().any()
