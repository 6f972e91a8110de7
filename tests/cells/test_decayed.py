"""A decayed cell is its equation around the cell within, on every way that it can be computed."""

from functools import partial

import pytest
import torch

import ostinato
from ostinato.cells.decayed import DecayedCell

gru = partial(ostinato.GRUCell, reset="before")


def layer_of(cell: ostinato.Cell) -> ostinato.Recurrent:
    torch.manual_seed(0)
    return ostinato.Recurrent([DecayedCell(cell, 2), ostinato.GRUCell(4, 3)]).double()


@pytest.mark.parametrize("made", [gru, ostinato.GRUCell, ostinato.LSTMCell, ostinato.RNNCell])
def test_the_state_is_multiplied_by_the_decay_before_each_step(made) -> None:
    torch.manual_seed(1)
    layer = layer_of(made(3, 4))
    decayed: DecayedCell = layer.cells[0]  # pyright: ignore[reportAssignmentType]
    inputs = torch.randn(2, 6, 5, dtype=torch.double).abs()
    outputs, state = layer(inputs)
    inner, carried = ostinato.Recurrent([decayed.cell]), decayed.initial_state(2)
    for step in range(6):
        ages = inputs[:, step, 3:]
        rate = (ages @ decayed.weight_decay.T + decayed.bias_decay).clamp(min=0)
        faded = type(carried)(*(part * torch.exp(-rate) for part in carried))
        _, (carried,) = inner.step(inputs[:, step, :3], (faded,))
    torch.testing.assert_close(tuple(state[0]), tuple(carried))
    assert outputs.shape == (2, 6, 3)


def test_step_by_step_is_the_whole_and_the_stepper_agrees() -> None:
    layer = layer_of(gru(3, 4)).eval()
    inputs = torch.randn(2, 5, 5, dtype=torch.double).abs()
    whole, _ = layer(inputs)
    stepper, state = layer.stepper(2), None
    for step in range(5):
        output, state = layer.step(inputs[:, step], state)
        torch.testing.assert_close(output, whole[:, step])
        torch.testing.assert_close(stepper(inputs[:, step]), whole[:, step])


@pytest.mark.parametrize("made", [gru, ostinato.GRUCell, ostinato.LSTMCell, ostinato.RNNCell])
def test_gradients_of_a_decayed_cell_are_finite_differences(made) -> None:
    layer = layer_of(made(3, 4))
    inputs = torch.rand(2, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: layer(given)[0], (inputs,))
