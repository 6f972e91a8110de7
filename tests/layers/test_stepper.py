"""A prepared stepper gives what the whole sequence gives."""

from typing import Any

import pytest
import torch

import ostinato
from ostinato.errors import ShapeError
from ostinato.layers import RecurrentLayer
from ostinato.state import tensors

T = 6


def make(kind: str, **options: Any) -> RecurrentLayer:
    return getattr(ostinato, kind)(3, 5, **options).double().eval()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "residual": True, "zoneout": 0.2},
    {"layer_norm": True, "learned_initial_state": True},
    {"num_layers": 2, "recurrent_dropout": 0.3, "dropout": 0.2, "weight_drop": 0.2},
    {"engine": "reference", "zoneout": 0.2},
]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_step_by_step_is_the_whole_sequence(kind: str, options: dict[str, Any]) -> None:
    layer, inputs = make(kind, **options), torch.randn(4, T, 3, dtype=torch.float64)
    whole, final = layer(inputs)
    stepper = layer.stepper(4)
    for t in range(T):
        torch.testing.assert_close(stepper(inputs[:, t]), whole[:, t], rtol=0, atol=1e-12)
    for mine, expected in zip(tensors(stepper.state), tensors(final), strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-12)


def test_a_state_can_be_taken_out_and_put_back() -> None:
    layer, inputs = make("LSTM"), torch.randn(2, T, 3, dtype=torch.float64)
    stepper = layer.stepper(2)
    stepper(inputs[:, 0])
    kept = stepper.state
    first = stepper(inputs[:, 1]).clone()
    stepper(inputs[:, 2])
    stepper.state = kept
    assert torch.equal(stepper(inputs[:, 1]), first)


def test_a_session_that_is_reset_starts_afresh_and_the_others_go_on() -> None:
    layer, inputs = make("GRU"), torch.randn(2, T, 3, dtype=torch.float64)
    stepper, other = layer.stepper(2), layer.stepper(2)
    fresh = layer.stepper(2)(inputs[:, 1]).clone()
    stepper(inputs[:, 0]), other(inputs[:, 0])
    stepper.reset(torch.tensor([True, False]))
    found, expected = stepper(inputs[:, 1]), other(inputs[:, 1])
    assert torch.equal(found[0], fresh[0])
    assert torch.equal(found[1], expected[1])


def test_a_cell_without_a_state_steps_too() -> None:
    layer = ostinato.FeedForward(3, 5).double().eval()
    inputs = torch.randn(2, T, 3, dtype=torch.float64)
    torch.testing.assert_close(layer.stepper(2)(inputs[:, 0]), layer(inputs)[0][:, 0])


def test_wrong_shapes_and_both_ways_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"step_input must be \(batch, feature\) = \(2, 3\)"):
        make("LSTM").stepper(2)(torch.zeros(1, 3, dtype=torch.float64))
    with pytest.raises(ShapeError, match="bidirectional layer cannot take single steps"):
        make("LSTM", bidirectional=True).stepper(2)
