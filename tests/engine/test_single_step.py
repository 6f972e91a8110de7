"""One step in torch's own function beside the cell's step, and where the cell's step must run."""

from typing import Any

import pytest
import torch

import ostinato
from ostinato.engine import Noise, single_step
from ostinato.state import map_state

CELLS = {
    "lstm": lambda: ostinato.LSTMCell(3, 4),
    "lstm without biases": lambda: ostinato.LSTMCell(3, 4, bias=False),
    "lstm with peepholes": lambda: ostinato.LSTMCell(3, 4, peepholes=True),
    "projected lstm": lambda: ostinato.LSTMCell(3, 4, projection_size=2),
    "layer-norm lstm": lambda: ostinato.LSTMCell(3, 4, layer_norm=True),
    "gru": lambda: ostinato.GRUCell(3, 4),
    "gru, reset before": lambda: ostinato.GRUCell(3, 4, reset="before"),
    "rnn": lambda: ostinato.RNNCell(3, 4),
    "rnn, relu": lambda: ostinato.RNNCell(3, 4, activation="relu"),
}
FUSED = {"lstm", "lstm without biases", "gru", "rnn", "rnn, relu"}


class CountsSteps:
    """Counts the calls of a cell's own step."""

    def __init__(self, cell: Any) -> None:
        self.cell, self.count, self._step = cell, 0, cell.step
        cell.step = self

    def __call__(self, *given: Any) -> Any:
        self.count += 1
        return self._step(*given)


def drawn(name: str) -> tuple[Any, torch.Tensor, Any]:
    torch.manual_seed(0)
    cell = CELLS[name]()
    return cell, torch.randn(5, 3), map_state(torch.randn_like, cell.initial_state(5))


@pytest.mark.parametrize("name", CELLS)
def test_both_ways_give_the_same(name: str) -> None:
    cell, step_input, state = drawn(name)
    counts = CountsSteps(cell)
    with torch.no_grad():
        found = single_step(cell, step_input, state, Noise())
        assert counts.count == (name not in FUSED)
        expected = single_step(cell, step_input, state, Noise(), engine="reference")
    assert type(found[1]) is type(expected[1])
    torch.testing.assert_close(found, expected)


def test_the_cells_own_step_runs_where_a_gradient_is_kept() -> None:
    cell, step_input, state = drawn("gru")
    counts = CountsSteps(cell)
    single_step(cell, step_input, state, Noise())
    assert counts.count == 1


def test_zoneout_and_recurrent_dropout_act() -> None:
    cell, step_input, state = drawn("lstm")
    with torch.no_grad():
        _, kept = single_step(
            cell, step_input, state, Noise(keep=map_state(lambda _: torch.ones(5, 1, 4), state))
        )
        dropped, _ = single_step(cell, step_input, state, Noise(hidden=torch.zeros(5, 4)))
        plain, _ = single_step(cell, step_input, state, Noise())
    torch.testing.assert_close(kept, state)
    assert not torch.allclose(dropped, plain)


def test_a_subclass_with_another_step_is_not_taken_for_torchs() -> None:
    class Doubled(ostinato.RNNCell):
        def step(self, projected: Any, hidden: Any, state: Any) -> Any:
            output, state = super().step(projected, hidden, state)
            return 2 * output, state

    torch.manual_seed(0)
    cell, step_input = Doubled(3, 4), torch.randn(5, 3)
    with torch.no_grad():
        output, state = single_step(cell, step_input, cell.initial_state(5), Noise())
    torch.testing.assert_close(output, 2 * state.hidden)


def test_weights_that_noise_replaces_are_used() -> None:
    cell, step_input, state = drawn("gru")
    zeros = {"weight_hh": torch.zeros_like(cell.weight_hh)}
    with torch.no_grad():
        found, _ = single_step(cell, step_input, state, Noise(weights=zeros))
        cell.weight_hh.zero_()
        expected, _ = single_step(cell, step_input, state, Noise())
    torch.testing.assert_close(found, expected)
