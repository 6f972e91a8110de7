"""Each cell against numpy, written once more from the paper's equations."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ostinato import FeedForwardCell, GRUCell, LSTMCell, RNNCell
from ostinato.state import HiddenState, LSTMState, map_state

N, D, H, P = 3, 4, 5, 2


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def norm(a: np.ndarray, module: nn.LayerNorm) -> np.ndarray:
    centred = a - a.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + module.eps)
    bias = 0 if module.bias is None else module.bias.detach().numpy()
    return scaled * module.weight.detach().numpy() + bias


def values(cell: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}


def randomised(cell: nn.Module) -> nn.Module:
    cell = cell.double()
    for parameter in cell.parameters():
        nn.init.normal_(parameter, std=0.5)
    return cell


def drawn(state_sizes: Any) -> tuple[torch.Tensor, Any]:
    state = map_state(lambda size: torch.randn(N, size, dtype=torch.float64), state_sizes)
    return torch.randn(N, D, dtype=torch.float64), state


def stepped(cell: nn.Module, inputs: torch.Tensor, state: Any) -> tuple[np.ndarray, Any]:
    output, following = cell.step(cell.project(inputs), state[0] if state else None, state)
    return output.detach().numpy(), map_state(lambda part: part.detach().numpy(), following)


PHI = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0), "sigmoid": sigmoid}


@pytest.mark.parametrize("activation", sorted(PHI))
@pytest.mark.parametrize("layer_norm", [False, True])
def test_rnn(activation: str, layer_norm: bool) -> None:
    cell = randomised(RNNCell(D, H, activation=activation, layer_norm=layer_norm))
    inputs, state = drawn(cell.state_sizes)
    w, x, h = values(cell), inputs.numpy(), state.hidden.numpy()
    a = x @ w["weight_ih"].T + h @ w["weight_hh"].T
    a = norm(a, cell.norm) if layer_norm else a + w["bias_ih"] + w["bias_hh"]
    np.testing.assert_allclose(stepped(cell, inputs, state)[0], PHI[activation](a), atol=1e-12)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("projection", [None, P])
def test_lstm(layer_norm: bool, peepholes: bool, projection: int | None) -> None:
    cell = randomised(
        LSTMCell(D, H, layer_norm=layer_norm, peepholes=peepholes, projection_size=projection)
    )
    inputs, state = drawn(cell.state_sizes)
    w, x = values(cell), inputs.numpy()
    h, c = (part.numpy() for part in state)
    from_x, from_h = x @ w["weight_ih"].T, h @ w["weight_hh"].T
    if layer_norm:
        a = norm(from_x, cell.norm_ih) + norm(from_h, cell.norm_hh) + w["bias_ih"]
    else:
        a = from_x + from_h + w["bias_ih"] + w["bias_hh"]
    i, f, g, o = np.split(a, 4, -1)
    p_i, p_f, p_o = (w.get(f"peephole_{gate}", 0) for gate in ("input", "forget", "output"))
    c_next = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    read = norm(c_next, cell.norm_memory) if layer_norm else c_next
    h_next = sigmoid(o + p_o * c_next) * np.tanh(read)
    h_next = h_next if projection is None else h_next @ w["weight_hr"].T
    output, following = stepped(cell, inputs, state)
    np.testing.assert_allclose(output, h_next, atol=1e-12)
    np.testing.assert_allclose(following.hidden, h_next, atol=1e-12)
    np.testing.assert_allclose(following.memory, c_next, atol=1e-12)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("reset", ["after", "before"])
def test_gru(reset: str, layer_norm: bool) -> None:
    cell = randomised(GRUCell(D, H, reset=reset, layer_norm=layer_norm))
    inputs, state = drawn(cell.state_sizes)
    w, x, h = values(cell), inputs.numpy(), state.hidden.numpy()
    plain = not layer_norm
    from_x = x @ w["weight_ih"].T + (w["bias_ih"] if plain else 0)
    bias_h = w["bias_hh"] if plain else np.zeros(3 * H)
    x_gates, x_n = from_x[:, : 2 * H], from_x[:, 2 * H :]
    h_gates = h @ w["weight_hh"][: 2 * H].T + bias_h[: 2 * H]
    if layer_norm:
        x_gates = norm(x_gates, cell.norm_ih_gates) + w["bias_ih"][: 2 * H]
        x_n = norm(x_n, cell.norm_ih_candidate) + w["bias_ih"][2 * H :]
        h_gates = norm(h_gates, cell.norm_hh_gates)
    r, z = np.split(sigmoid(x_gates + h_gates), 2, -1)
    read = h if reset == "after" else r * h
    product = read @ w["weight_hh"][2 * H :].T + bias_h[2 * H :]
    product = norm(product, cell.norm_hh_candidate) if layer_norm else product
    n = np.tanh(x_n + (r * product if reset == "after" else product))
    expected = z * h + (1 - z) * n
    np.testing.assert_allclose(stepped(cell, inputs, state)[0], expected, atol=1e-12)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_feed_forward(layer_norm: bool) -> None:
    cell = randomised(FeedForwardCell(D, H, layer_norm=layer_norm))
    inputs, state = drawn(cell.state_sizes)
    w = values(cell)
    a = inputs.numpy() @ w["weight_ih"].T
    a = norm(a, cell.norm) if layer_norm else a + w["bias_ih"]
    np.testing.assert_allclose(stepped(cell, inputs, state)[0], np.tanh(a), atol=1e-12)


CELLS = [
    RNNCell(D, H),
    RNNCell(D, H, layer_norm=True),
    LSTMCell(D, H, peepholes=True, projection_size=P, layer_norm=True),
    LSTMCell(D, H),
    GRUCell(D, H),
    GRUCell(D, H, reset="before", layer_norm=True),
]


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_gradients_are_those_of_finite_differences(cell: nn.Module) -> None:
    cell = randomised(cell)
    inputs, state = drawn(cell.state_sizes)
    leaves = [inputs, *state]

    def step(inputs: torch.Tensor, *parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output, following = cell.step(cell.project(inputs), parts[0], type(state)(*parts))
        return output, *following

    leaves = [leaf.requires_grad_() for leaf in leaves]
    assert torch.autograd.gradcheck(step, leaves)
    assert torch.autograd.gradgradcheck(step, leaves)


def test_gru_keeps_the_hidden_state_when_the_update_gate_is_one() -> None:
    cell = GRUCell(D, H)
    with torch.no_grad():
        cell.bias_ih[H : 2 * H] = 50.0
    hidden = torch.randn(N, H)
    output, _ = cell.step(cell.project(torch.randn(N, D)), hidden, HiddenState(hidden))
    torch.testing.assert_close(output, hidden)


def test_lstm_keeps_its_memory_when_it_forgets_nothing_and_takes_nothing_in() -> None:
    cell = LSTMCell(D, H, forget_bias=50.0)
    with torch.no_grad():
        cell.bias_ih[:H] = -50.0
    state = LSTMState(torch.randn(N, H), torch.randn(N, H))
    _, following = cell.step(cell.project(torch.randn(N, D)), state.hidden, state)
    torch.testing.assert_close(following.memory, state.memory)


def test_forget_bias_is_the_whole_bias_of_the_forget_gate() -> None:
    cell = LSTMCell(D, H, forget_bias=1.0)
    total = cell.bias_ih + cell.bias_hh
    torch.testing.assert_close(total[H : 2 * H], torch.ones(H))


def test_stacked_linear_layers_equal_one_linear_layer() -> None:
    # Why an activation function must not be linear.
    first = FeedForwardCell(D, H, activation=lambda a: a, bias=False)
    second = FeedForwardCell(H, H, activation=lambda a: a, bias=False)
    inputs = torch.randn(N, D)
    stacked = second.project(first.project(inputs))
    one = inputs @ (second.weight_ih @ first.weight_ih).T
    torch.testing.assert_close(stacked, one)
