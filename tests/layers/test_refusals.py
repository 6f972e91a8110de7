"""What a layer cannot do is refused when it is made, in the user's words."""

from typing import Any

import pytest
import torch

import ostinato
from ostinato.errors import EngineError, SettingsError, ShapeError


class Elman(ostinato.Cell):
    """A cell of one's own."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(hidden_size, input_size)
        self.weight_hh = self.weight(hidden_size, hidden_size)

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.weight_ih.T

    def step(self, projected: torch.Tensor, hidden: Any, state: Any) -> tuple[torch.Tensor, Any]:
        hidden = torch.tanh(projected + hidden @ self.weight_hh.T)
        return hidden, ostinato.HiddenState(hidden)


class Deaf(Elman):
    """A cell whose product reads the state and not what it is handed."""

    def step(self, projected: torch.Tensor, hidden: Any, state: Any) -> tuple[torch.Tensor, Any]:
        return super().step(projected, state.hidden, state)


REFUSED = [
    (lambda: ostinato.LSTM(0, 4), "input_size must be a positive integer, got 0"),
    (lambda: ostinato.LSTM(3, 4, num_layers=0), "num_layers must be a positive integer"),
    (lambda: ostinato.LSTM(3, 4, dropout=0.5), "dropout acts between layers"),
    (lambda: ostinato.LSTM(3, 4, residual=True), "residual acts from the second layer on"),
    (lambda: ostinato.LSTM(3, 4, zoneout=1.0), "zoneout must be at least 0 and less than 1"),
    (lambda: ostinato.GRU(3, 4, zoneout={"memory": 0.1}), "zoneout names 'memory'"),
    (lambda: ostinato.LSTM(3, 4, projection_size=4), "projection_size must be smaller"),
    (lambda: ostinato.LSTM(3, 4, bias=False, forget_bias=1.0), "forget_bias needs biases"),
    (lambda: ostinato.GRU(3, 4, reset="during"), 'reset must be "after" or "before"'),
    (lambda: ostinato.RNN(3, 4, activation="sine"), "activation must be one of tanh, relu"),
    (lambda: ostinato.RNN(3, 4, initialisation="zero"), "initialisation must be"),
    (lambda: ostinato.RNN(3, 4, engine="fast"), "engine must be one of"),
    (lambda: ostinato.RNN(3, 4, backward_hidden_size=5), "needs bidirectional=True"),
    (
        lambda: ostinato.LSTM(3, 4, projection_size=2, initialisation="identity"),
        "needs square recurrent weights",
    ),
    (lambda: ostinato.Recurrent([]), "at least one cell"),
    (lambda: ostinato.Recurrent([Elman(3, 4), Elman(5, 4)]), "layer 1 reads 4 features"),
    (lambda: ostinato.Recurrent([Elman(3, 4)], [Elman(3, 4)] * 2), "1 forward and 2 backward"),
    (lambda: ostinato.Recurrent([Deaf(3, 4)], recurrent_dropout=0.2), "does not use its argument"),
    (
        lambda: ostinato.Recurrent([ostinato.FeedForwardCell(3, 4)], zoneout=0.2),
        "zoneout acts on the state, and FeedForwardCell carries none",
    ),
    (
        lambda: ostinato.Recurrent([ostinato.FeedForwardCell(3, 4)], weight_drop=0.2),
        "FeedForwardCell names none",
    ),
    (
        lambda: ostinato.Recurrent([ostinato.FeedForwardCell(3, 4)], initialisation="orthogonal"),
        "FeedForwardCell has none",
    ),
    (
        lambda: ostinato.Recurrent([Elman(3, 4), Elman(4, 5)], residual=True),
        "residual needs equal widths",
    ),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_could_not_act_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        make()


INPUTS = torch.zeros(2, 5, 3)
MISFITS = [
    ({"inputs": torch.zeros(2, 5, 4)}, r"with 3 features, got \(2, 5, 4\)"),
    ({"inputs": torch.zeros(5, 3)}, r"got \(5, 3\)"),
    ({"lengths": torch.tensor([1.0, 2.0])}, "lengths must be integers"),
    ({"lengths": torch.tensor([1, 2, 3])}, "each of the 2 samples"),
    ({"lengths": torch.tensor([1, 6])}, "between 0 and the 5 steps of the inputs, got 1 to 6"),
    ({"resets": torch.zeros(2, 5)}, "resets must be booleans"),
    ({"resets": torch.zeros(2, 4, dtype=torch.bool)}, r"\(batch, time\) = \(2, 5\)"),
    ({"state": (ostinato.HiddenState(torch.zeros(3, 4)),)}, r"got \[\(3, 4\)\]"),
    ({"state": ()}, "a tuple over the 1 layers, got 0"),
]


@pytest.mark.parametrize(("given", "reason"), MISFITS, ids=[reason for _, reason in MISFITS])
def test_what_does_not_fit_is_named(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        ostinato.GRU(3, 4)(**({"inputs": INPUTS} | given))


def test_a_bidirectional_layer_takes_neither_state_nor_single_steps() -> None:
    layer = ostinato.GRU(3, 4, bidirectional=True)
    with pytest.raises(ShapeError, match="cannot take a carried state"):
        layer(INPUTS, layer.initial_state(2))
    with pytest.raises(ShapeError, match="cannot take a single step"):
        layer.step(INPUTS[:, 0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_cell_of_ones_own_takes_every_option(bidirectional: bool) -> None:
    sizes = [(3, 6), (12 if bidirectional else 6, 6)]
    backward = [Elman(*size) for size in sizes] if bidirectional else None
    layer = ostinato.Recurrent(
        [Elman(*size) for size in sizes],
        backward,
        dropout=0.2,
        locked_dropout=True,
        residual=True,
        zoneout=0.2,
        recurrent_dropout=0.2,
        weight_drop=0.2,
        learned_initial_state=True,
        initialisation="orthogonal",
    )
    lengths, resets = torch.tensor([5, 2]), torch.rand(2, 5) < 0.5
    outputs, _ = layer(INPUTS, lengths=lengths, resets=resets)
    outputs.sum().backward()
    assert outputs.shape == (2, 5, layer.output_size)
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_directions_of_different_widths_stand_side_by_side() -> None:
    layer = ostinato.LSTM(3, 4, 2, bidirectional=True, backward_hidden_size=6)
    outputs, state = layer(INPUTS)
    assert outputs.shape == (2, 5, 10)
    assert state[1].backward.memory.shape == (2, 6)


def test_orthogonal_initialisation_makes_each_gate_orthogonal() -> None:
    layer = ostinato.LSTM(3, 8, initialisation="orthogonal")
    for block in layer.cells[0].weight_hh.split(8):
        torch.testing.assert_close(block @ block.T, torch.eye(8), rtol=0, atol=1e-5)


class Branching(ostinato.RNNCell):
    """What no compiler of ours can follow: a decision by value."""

    def step(self, projected: torch.Tensor, hidden: Any, state: Any) -> Any:
        return super().step(projected * 2 if projected.sum() > 0 else projected, hidden, state)


def test_a_layer_says_which_engine_it_took_and_why() -> None:
    zoned, branching = ostinato.LSTM(3, 4, zoneout=0.1), ostinato.Recurrent([Branching(3, 4)])
    assert zoned.engine_choices()[0].engine == "compiled"
    assert branching.engine_choices()[0].engine == "reference"
    assert "branches on a tensor's value" in branching.engine_choices()[0].reason
    assert ostinato.FeedForward(3, 4).engine_choices()[0].engine == "pointwise"


def test_an_engine_that_cannot_is_refused_with_the_reason() -> None:
    with pytest.raises(EngineError, match="no fused kernel for LSTMCell"):
        ostinato.LSTM(3, 4, peepholes=True, engine="vendor")(INPUTS)
