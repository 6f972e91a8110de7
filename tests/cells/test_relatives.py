"""The relatives of the LSTM and the GRU, against numpy and in every way a layer runs them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ostinato
from ostinato import (
    IndRNNCell,
    MinGRUCell,
    MinimalGatedUnitCell,
    MinLSTMCell,
    SLSTMCell,
    SRUCell,
)
from ostinato.cells import Cell
from ostinato.engine import Reading, unroll
from ostinato.errors import SettingsError
from ostinato.state import HiddenState, SLSTMState, map_state, tensors

N, T, D, H = 3, 5, 3, 4
Arrays = dict[str, np.ndarray]


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def randomised(cell: Cell) -> Cell:
    cell = cell.double()
    for parameter in cell.parameters():
        nn.init.normal_(parameter, std=0.5)
    return cell


def drawn(cell: Cell, batch: int = N, time: int = T) -> tuple[torch.Tensor, Any]:
    """Inputs and a positive state: what a normaliser may be, any other may be too."""
    state = map_state(lambda size: torch.rand(batch, size).double() + 0.5, cell.state_sizes)
    return torch.randn(batch, time, cell.input_size, dtype=torch.float64), state


Step = Callable[[Arrays, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def assert_follows(cell: Cell, step: Step) -> None:
    """The cell over time is `step` over time, from the one part of its state to that after it."""
    inputs, state = drawn(randomised(cell))
    unrolled = unroll(cell, inputs, state, engine="reference")
    weights = {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}
    carried = state[0].numpy()
    for t in range(T):
        output, carried = step(weights, inputs[:, t].numpy(), carried)
        ours = unrolled.outputs[:, t].detach().numpy()
        np.testing.assert_allclose(ours, output, rtol=1e-11, atol=1e-12)
    final = unrolled.state[0].detach().numpy()
    np.testing.assert_allclose(final, carried, rtol=1e-11, atol=1e-12)


PHI = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0), "sigmoid": sigmoid}


@pytest.mark.parametrize("activation", sorted(PHI))
def test_ind_rnn(activation: str) -> None:
    def step(w: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h = PHI[activation](x @ w["weight_ih"].T + w["weight_hh"] * h + w["bias_ih"])
        return h, h

    assert_follows(IndRNNCell(D, H, activation=activation), step)


def test_ind_rnn_with_layer_norm() -> None:
    def step(w: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = x @ w["weight_ih"].T + w["weight_hh"] * h
        scaled = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5)
        h = np.maximum(scaled * w["norm.weight"] + w["norm.bias"], 0)
        return h, h

    assert_follows(IndRNNCell(D, H, layer_norm=True), step)


def test_minimal_gated_unit() -> None:
    # f_t = sigma(W_f [h, x] + b_f), h~ = tanh(W_h [f * h, x] + b_h), h = (1 - f) * h + f * h~
    def step(w: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        joined = np.concatenate([w["weight_hh"], w["weight_ih"]], 1)
        (w_f, w_h), (b_f, b_h) = np.split(joined, 2), np.split(w["bias_ih"], 2)
        f = sigmoid(np.concatenate([h, x], 1) @ w_f.T + b_f)
        candidate = np.tanh(np.concatenate([f * h, x], 1) @ w_h.T + b_h)
        h = (1 - f) * h + f * candidate
        return h, h

    assert_follows(MinimalGatedUnitCell(D, H), step)


def positive(a: np.ndarray) -> np.ndarray:
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def test_min_gru() -> None:
    def step(w: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z, n = np.split(x @ w["weight_ih"].T + w["bias_ih"], 2, -1)
        h = (1 - sigmoid(z)) * h + sigmoid(z) * positive(n)
        return h, h

    assert_follows(MinGRUCell(D, H), step)


def test_min_lstm() -> None:
    def step(w: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i, f, n = np.split(x @ w["weight_ih"].T + w["bias_ih"], 3, -1)
        i, f = sigmoid(i), sigmoid(f)
        h = f / (f + i) * h + i / (f + i) * positive(n)
        return h, h

    assert_follows(MinLSTMCell(D, H), step)


def sru_step(w: Arrays, x: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w_f, w_r, w_c, *w_x = (w["weight_ih"][k : k + H] for k in range(0, len(w["weight_ih"]), H))
    b_f, b_r = np.split(w["bias_ih"], 2)
    f = sigmoid(x @ w_f.T + w["peephole_forget"] * c + b_f)
    r = sigmoid(x @ w_r.T + w["peephole_highway"] * c + b_r)
    c_next = f * c + (1 - f) * (x @ w_c.T)
    return r * c_next + (1 - r) * (x @ w_x[0].T if w_x else x), c_next


@pytest.mark.parametrize("input_size", [D, H])
def test_sru(input_size: int) -> None:
    assert_follows(SRUCell(input_size, H), sru_step)


def slstm_gates(
    cell: SLSTMCell, w: Arrays, x: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Input, forget, candidate and output gate, with each gate's weights as one block diagonal."""
    size = H // cell.heads
    gates = []
    for gate in range(4):
        dense = np.zeros((H, H))
        for head in range(cell.heads):
            block = slice(head * size, (head + 1) * size)
            dense[block, block] = w["weight_hh"][head, gate * size : (gate + 1) * size]
        rows = slice(gate * H, (gate + 1) * H)
        gates.append(x @ w["weight_ih"][rows].T + h @ dense.T + w["bias_ih"][rows])
    i, f, z, o = gates
    f = sigmoid(f) if cell.forget == "sigmoid" else np.exp(f)
    return np.exp(i), f, np.tanh(z), sigmoid(o)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("forget", ["sigmoid", "exponential"])
@pytest.mark.parametrize("fresh", [False, True])
def test_slstm_is_the_paper_s_without_stabiliser(heads: int, forget: str, fresh: bool) -> None:
    cell = SLSTMCell(D, H, heads=heads, forget=forget)
    inputs, state = drawn(randomised(cell))
    state = cell.initial_state(N) if fresh else state
    unrolled = unroll(cell, inputs, state, engine="reference", all_states=True)
    w = {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}
    h, c, n, m = (part.numpy() for part in state)
    c, n = c * np.exp(m), n * np.exp(m)
    for t in range(T):
        i, f, z, o = slstm_gates(cell, w, inputs[:, t].numpy(), h)
        c, n = f * c + i * z, f * n + i
        h = o * c / n
        after = map_state(lambda part, t=t: part[:, t].detach().numpy(), unrolled.states)
        scale = np.exp(after.stabiliser)
        np.testing.assert_allclose(after.hidden, h, rtol=1e-10)
        np.testing.assert_allclose(after.memory * scale, c, rtol=1e-10)
        np.testing.assert_allclose(after.normaliser * scale, n, rtol=1e-10)


CELLS: list[Callable[[int, int], Cell]] = [
    IndRNNCell,
    MinGRUCell,
    MinLSTMCell,
    MinimalGatedUnitCell,
    SRUCell,
    SLSTMCell,
    lambda inputs, hidden: SLSTMCell(inputs, hidden, heads=2, forget="exponential"),
]
NAMES = ["IndRNN", "MinGRU", "MinLSTM", "MinimalGatedUnit", "SRU", "SLSTM", "SLSTM-heads"]
each_cell = pytest.mark.parametrize("make", CELLS, ids=NAMES)


@each_cell
def test_gradients_are_those_of_finite_differences(make: Any) -> None:
    cell = randomised(make(D, H))
    inputs, state = drawn(cell, batch=2, time=3)
    leaves = [leaf.requires_grad_() for leaf in (inputs, *state, *cell.parameters())]

    def run(inputs: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = type(state)(*rest[: len(state)])
        outputs, final, _ = unroll(cell, inputs, given, engine="reference")
        return outputs, *final

    assert torch.autograd.gradcheck(run, leaves)


def test_slstm_gradients_reach_an_initial_state_of_zero() -> None:
    cell = randomised(SLSTMCell(D, H))
    inputs, _ = drawn(cell, batch=2, time=3)
    leaves = [leaf.requires_grad_() for leaf in (inputs, *cell.initial_state(2))]

    def run(inputs: torch.Tensor, *state: torch.Tensor) -> torch.Tensor:
        return unroll(cell, inputs, SLSTMState(*state), engine="reference").outputs

    assert torch.autograd.gradcheck(run, leaves)


def assert_equal(one: Any, other: Any) -> None:
    for mine, expected in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-12)


def two_layers(make: Any) -> tuple[ostinato.Recurrent, torch.Tensor]:
    """A layer of two cells with a learned initial state, other than zero, and inputs for it."""
    cells = [randomised(make(D, H)), randomised(make(H, H))]
    layer = ostinato.Recurrent(cells, learned_initial_state=True).double()
    for parameter in layer.learned.parameters():
        nn.init.uniform_(parameter, 0.1, 1.0)
    return layer, torch.randn(N, T, D, dtype=torch.float64)


@each_cell
def test_step_by_step_is_the_whole_sequence(make: Any) -> None:
    layer, inputs = two_layers(make)
    whole, final = layer(inputs)
    state, steps = None, []
    for t in range(T):
        output, state = layer.step(inputs[:, t], state)
        steps.append(output)
    assert_equal(torch.stack(steps, 1), whole)
    assert_equal(state, final)


@each_cell
def test_padded_is_unpadded_whatever_stands_in_the_padding(make: Any) -> None:
    layer, inputs = two_layers(make)
    lengths = torch.tensor([T, 2, 0])
    padding = torch.arange(T) >= lengths.unsqueeze(1)
    outputs, final = layer(inputs.masked_fill(padding.unsqueeze(2), torch.nan), lengths=lengths)
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())
    assert (outputs[padding] == 0).all()
    for row, length in enumerate(lengths.tolist()):
        alone = slice(row, row + 1)
        output, state = layer(inputs[alone, :length])
        assert_equal(outputs[alone, :length], output)
        assert_equal([part[alone] for part in tensors(final)], tensors(state))


@each_cell
def test_a_reset_is_a_fresh_start(make: Any) -> None:
    layer, inputs = two_layers(make)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[:, 2] = True
    outputs, final = layer(inputs, resets=resets)
    before, _ = layer(inputs[:, :2])
    after, state = layer(inputs[:, 2:])
    assert_equal(outputs, torch.cat([before, after], 1))
    assert_equal(final, state)


def test_ind_rnn_with_recurrent_weights_of_one_adds_up_its_inputs() -> None:
    cell = IndRNNCell(H, H, bias=False)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(H))
        cell.weight_hh.fill_(1.0)
    inputs = torch.rand(N, T, H)
    torch.testing.assert_close(unroll(cell, inputs).outputs, inputs.cumsum(1))


def test_minimal_gated_unit_keeps_its_hidden_state_when_it_forgets_nothing() -> None:
    cell = MinimalGatedUnitCell(D, H)
    with torch.no_grad():
        cell.bias_ih[:H] = -50.0
    state = HiddenState(torch.randn(N, H))
    torch.testing.assert_close(unroll(cell, torch.randn(N, T, D), state).state, state)


def test_min_lstm_with_both_gates_shut_shares_evenly_between_old_and_new() -> None:
    cell = MinLSTMCell(D, H)
    projected = torch.full((N, 3 * H), -500.0)
    projected[:, 2 * H :] = 0.25
    output, _ = cell.step(projected, None, HiddenState(torch.ones(N, H)))
    torch.testing.assert_close(output, torch.full((N, H), (1 + 0.75) / 2))


@pytest.mark.parametrize("make", [MinGRUCell, MinLSTMCell])
def test_positive_candidates_keep_the_hidden_state_positive(make: Any) -> None:
    outputs, _, _ = unroll(make(D, H), 10 * torch.randn(N, T, D))
    assert (outputs > 0).all()


def test_sru_whose_highway_gate_is_shut_passes_its_input_on() -> None:
    cell = SRUCell(H, H)
    with torch.no_grad():
        cell.bias_ih[H:] = -100.0
    inputs = torch.randn(N, T, H)
    torch.testing.assert_close(unroll(cell, inputs).outputs, inputs)


def slstm_with_input_gate(preactivation: float) -> SLSTMCell:
    cell = SLSTMCell(D, H, forget="exponential")
    with torch.no_grad():
        cell.bias_ih[:H] = preactivation
    return cell


@pytest.mark.parametrize("preactivation", [-1000.0, 0.0, 1000.0])
def test_slstm_s_first_output_is_its_candidate_however_large_the_input_gate(
    preactivation: float,
) -> None:
    cell = slstm_with_input_gate(preactivation)
    inputs = torch.randn(N, 1, D)
    outputs, state, _ = unroll(cell, inputs)
    _, _, candidate, output_gate = cell.project(inputs[:, 0]).chunk(4, -1)
    expected = torch.sigmoid(output_gate) * torch.tanh(candidate)
    torch.testing.assert_close(outputs[:, 0], expected)
    torch.testing.assert_close(state.normaliser, torch.ones(N, H))
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


@pytest.mark.parametrize("preactivation", [-1000.0, 1000.0])
def test_slstm_forgets_by_comparison_alone(preactivation: float) -> None:
    # Exponential gates weigh steps against each other; a common factor of all of them cancels.
    cell, plain = slstm_with_input_gate(preactivation), slstm_with_input_gate(0.0)
    weights = cell.state_dict()
    weights["bias_ih"][:H] = 0.0
    plain.load_state_dict(weights)
    inputs = torch.randn(N, T, D).double()
    ours, theirs = (unroll(one.double(), inputs).outputs for one in (cell, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_slstm_heads_do_not_mix() -> None:
    cell = randomised(SLSTMCell(D, H, heads=2))
    inputs, state = drawn(cell)
    other = state._replace(hidden=state.hidden.clone())
    other.hidden[:, : H // 2] += 1.0
    one, changed = (unroll(cell, inputs, given).outputs for given in (state, other))
    assert torch.equal(one[..., H // 2 :], changed[..., H // 2 :])
    assert (one[:, 0, : H // 2] != changed[:, 0, : H // 2]).all()


REFUSED = [
    (lambda: SLSTMCell(3, 8, heads=3), "heads must divide hidden_size, got 3 and 8"),
    (lambda: SLSTMCell(3, 8, heads=0), "heads must be a positive integer"),
    (lambda: SLSTMCell(3, 8, forget="linear"), 'forget must be "sigmoid" or "exponential"'),
    (lambda: ostinato.Recurrent([MinGRUCell(3, 8)], weight_drop=0.1), "MinGRUCell names none"),
    (
        lambda: ostinato.Recurrent([MinLSTMCell(3, 8)], recurrent_dropout=0.1),
        "MinLSTMCell does not use its argument",
    ),
    (
        lambda: ostinato.Recurrent([SRUCell(3, 8)], recurrent_dropout=0.1),
        "SRUCell does not use its argument",
    ),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_could_not_act_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        make()


def test_reading_backward_is_reading_the_flipped_sequence_forward() -> None:
    cell = randomised(SLSTMCell(D, H, heads=2))
    inputs, state = drawn(cell)
    backward = unroll(cell, inputs, state, Reading(reverse=True))
    forward = unroll(cell, inputs.flip(1), state)
    assert_equal(backward.outputs.flip(1), forward.outputs)
