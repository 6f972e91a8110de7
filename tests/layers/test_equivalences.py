"""Two ways that must agree: step and sequence, windows and one pass, padded and not, engines."""

from itertools import combinations, product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ostinato
from ostinato.engine import Noise, Reading, unroll
from ostinato.layers import RecurrentLayer
from ostinato.state import detach, tensors

N, T, D, H = 4, 7, 3, 5

FACTORS: dict[str, list[Any]] = {
    "kind": ["RNN", "LSTM", "GRU"],
    "num_layers": [1, 2],
    "layer_norm": [False, True],
    "zoneout": [0.0, 0.3],
    "recurrent_dropout": [0.0, 0.3],
    "weight_drop": [0.0, 0.3],
    "learned_initial_state": [False, True],
    "residual": [False, True],
    "dropout": [0.0, 0.3],
    "locked_dropout": [False, True],
}


def sensible(options: dict[str, Any]) -> bool:
    """What a layer does not refuse."""
    return options["num_layers"] == 2 or not (options["residual"] or options["dropout"])


EVERY = [
    options
    for values in product(*FACTORS.values())
    if sensible(options := dict(zip(FACTORS, values, strict=True)))
]


def pairwise(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Few of the combinations, in which every pair of values that goes together occurs."""

    def pairs(options: dict[str, Any]) -> set[Any]:
        return set(combinations(sorted((k, str(v)) for k, v in options.items()), 2))

    left, chosen = set().union(*map(pairs, every)), []
    while left:
        best = max(every, key=lambda options: len(pairs(options) & left))
        chosen.append(best)
        left -= pairs(best)
    return chosen


FEW = pairwise(EVERY)


def make(options: dict[str, Any], *, training: bool, **more: Any) -> RecurrentLayer:
    named = {name: value for name, value in options.items() if name != "kind"} | more
    layer = getattr(ostinato, options["kind"])(D, H, **named).double().train(training)
    for name, parameter in layer.named_parameters():
        if name.startswith("learned"):
            torch.nn.init.normal_(parameter)
    return layer


def drawn_inputs(samples: int = N) -> torch.Tensor:
    return torch.randn(samples, T, D, dtype=torch.float64)


def assert_equal(one: Any, other: Any) -> None:
    for mine, expected in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-12)


def check_step_by_step(options: dict[str, Any], training: bool) -> None:
    layer, inputs = make(options, training=training), drawn_inputs()
    noise = layer.draw_noise(inputs, T)
    whole, final = layer(inputs, noise=noise)
    state = layer.initial_state(N)
    for t in range(T):
        masks = [mask.window(t, t + 1) for mask in noise]
        output, state = layer.step(inputs[:, t], state, noise=masks)
        assert_equal(output, whole[:, t])
    assert_equal(state, final)


def check_windows(options: dict[str, Any], training: bool) -> None:
    layer, inputs = make(options, training=training), drawn_inputs()
    noise = layer.draw_noise(inputs, T)
    whole, final = layer(inputs, noise=noise)
    state, pieces = None, []
    for start, stop in ((0, 2), (2, 3), (3, T)):
        masks = [mask.window(start, stop) for mask in noise]
        piece, state = layer(inputs[:, start:stop], state, noise=masks)
        pieces.append(piece)
    assert_equal(torch.cat(pieces, 1), whole)
    assert_equal(state, final)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", FEW, ids=str)
def test_step_by_step_is_the_whole_sequence(options: dict[str, Any], training: bool) -> None:
    check_step_by_step(options, training)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", FEW, ids=str)
def test_windows_with_carried_state_are_one_pass(options: dict[str, Any], training: bool) -> None:
    check_windows(options, training)


@pytest.mark.nightly
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", EVERY, ids=str)
def test_every_combination_step_by_step_and_in_windows(
    options: dict[str, Any], training: bool
) -> None:
    check_step_by_step(options, training)
    check_windows(options, training)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("options", FEW, ids=str)
def test_padded_is_unpadded_whatever_stands_in_the_padding(
    options: dict[str, Any], bidirectional: bool
) -> None:
    layer = make(options | {"residual": False}, training=False, bidirectional=bidirectional)
    inputs, lengths = drawn_inputs(), torch.tensor([T, 3, 1, 5])
    resets = torch.rand(N, T) < 0.3
    padding = torch.arange(T) >= lengths.unsqueeze(1)
    garbage = inputs.masked_fill(padding.unsqueeze(2), float("nan"))
    outputs, final = layer(garbage, lengths=lengths, resets=resets)
    outputs.sum().backward()
    gradients = [parameter.grad.clone() for parameter in layer.parameters()]
    assert (outputs[padding] == 0).all()
    layer.zero_grad()
    for row, length in enumerate(lengths.tolist()):
        alone = slice(row, row + 1)
        output, state = layer(inputs[alone, :length], resets=resets[alone, :length])
        assert_equal(outputs[alone, :length], output)
        assert_equal([part[alone] for part in tensors(final)], tensors(state))
        output.sum().backward()
    for mine, parameter in zip(gradients, layer.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_all_engines_agree(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["RNN", "LSTM", "GRU"]))
    n, time = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 6))
    size, ways = data.draw(st.sampled_from([1, 2, 17])), data.draw(st.booleans())
    lengths = data.draw(st.none() | st.lists(st.integers(0, time), min_size=n, max_size=n))
    with_resets = data.draw(st.booleans())
    torch.manual_seed(data.draw(st.integers(0, 99)))
    layers = [
        getattr(ostinato, kind)(2, size, 2, ways, engine=engine).double()
        for engine in ("compiled", "vendor", "reference")
    ]
    for layer in layers[1:]:
        layer.load_state_dict(layers[0].state_dict())
    inputs = torch.randn(n, time, 2, dtype=torch.float64)
    reading = {
        "lengths": None if lengths is None else torch.tensor(lengths),
        "resets": torch.rand(n, time) < 0.3 if with_resets else None,
    }
    compiled, vendor, reference = (layer(inputs, **reading) for layer in layers)
    for mine in (compiled, vendor):
        assert_equal(mine[0], reference[0])
        assert_equal(mine[1], reference[1])


@pytest.mark.parametrize("engine", ["compiled", "vendor", "reference"])
def test_a_reset_is_a_fresh_start_in_both_directions(engine: str) -> None:
    layer = ostinato.LSTM(D, H, bidirectional=True, engine=engine).double()
    inputs, resets = drawn_inputs(), torch.zeros(N, T, dtype=torch.bool)
    resets[:, 3] = True
    outputs, final = layer(inputs, resets=resets)
    first, first_final = layer(inputs[:, :3])
    second, second_final = layer(inputs[:, 3:])
    assert_equal(outputs, torch.cat([first, second], 1))
    assert_equal(final[0].forward, second_final[0].forward)
    assert_equal(final[0].backward, first_final[0].backward)


@pytest.mark.parametrize("engine", ["compiled", "vendor", "reference"])
def test_a_reset_returns_to_the_initial_state_and_not_to_the_carried(engine: str) -> None:
    layer = ostinato.GRU(D, H, learned_initial_state=True, engine=engine).double()
    torch.nn.init.normal_(layer.learned[0].hidden)
    inputs, resets = drawn_inputs(), torch.zeros(N, T, dtype=torch.bool)
    resets[:, 0] = True
    carried = (ostinato.HiddenState(torch.randn(N, H, dtype=torch.float64)),)
    assert_equal(layer(inputs, carried, resets=resets)[0], layer(inputs)[0])


def test_a_learned_initial_state_gets_its_gradient_through_a_reset() -> None:
    layer = ostinato.GRU(D, H, learned_initial_state=True)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[1, 4] = True
    carried = detach(layer.initial_state(N))
    layer(torch.randn(N, T, D), carried, resets=resets)[0].sum().backward()
    assert layer.learned[0].hidden.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_of_all_steps_end_in_the_final_state(kind: str, bidirectional: bool) -> None:
    layer = getattr(ostinato, kind)(D, H, bidirectional=bidirectional).double()
    lengths = torch.tensor([T, 2, 5, 1])
    outputs, final, states = layer.all_states(drawn_inputs(), lengths=lengths)
    forward = states[0].forward if bidirectional else states[0]
    last = final[0].forward if bidirectional else final[0]
    rows = torch.arange(N)
    for part, end in zip(forward, last, strict=True):
        assert_equal(part[rows, lengths - 1], end)
        assert_equal(part[:, -1], end)
    active = torch.arange(T) < lengths.unsqueeze(1)
    assert_equal(forward.hidden[active], outputs[..., :H][active])


def test_a_sample_of_length_zero_keeps_its_state() -> None:
    layer = ostinato.LSTM(D, H).double()
    state = layer(drawn_inputs())[1]
    outputs, after = layer(drawn_inputs(), state, lengths=torch.tensor([0, T, 0, 2]))
    assert (outputs[0] == 0).all()
    assert_equal([part[[0, 2]] for part in after[0]], [part[[0, 2]] for part in state[0]])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "FeedForward"])
def test_a_nan_in_one_sample_does_not_touch_the_others(kind: str) -> None:
    layer, inputs = getattr(ostinato, kind)(D, H), torch.randn(N, T, D)
    clean, _ = layer(inputs)
    inputs[1, 2] = float("nan")
    spoilt, _ = layer(inputs)
    others = [0, 2, 3]
    assert torch.equal(spoilt[others], clean[others])
    assert spoilt[1, 2].isnan().all()


def test_the_feed_forward_counterpart_is_a_network_without_recurrent_weights() -> None:
    counterpart, recurrent = ostinato.FeedForward(D, H), ostinato.RNN(D, H)
    with torch.no_grad():
        recurrent.cells[0].weight_hh.zero_()
        recurrent.cells[0].bias_hh.zero_()
        recurrent.cells[0].weight_ih.copy_(counterpart.cells[0].weight_ih)
        recurrent.cells[0].bias_ih.copy_(counterpart.cells[0].bias_ih)
    inputs, lengths = torch.randn(N, T, D), torch.tensor([T, 0, 2, 5])
    ours, theirs = (layer(inputs, lengths=lengths)[0] for layer in (counterpart, recurrent))
    torch.testing.assert_close(ours, theirs)


def test_reading_backward_is_reading_the_flipped_sequence_forward() -> None:
    cell, inputs = ostinato.LSTMCell(D, H).double(), drawn_inputs()
    backward = unroll(cell, inputs, reading=Reading(reverse=True))
    forward = unroll(cell, inputs.flip(1))
    assert_equal(backward.outputs.flip(1), forward.outputs)
    assert_equal(backward.state, forward.state)


def test_recurrent_dropout_masks_the_product_and_leaves_the_carry() -> None:
    # Everything the recurrent product reads is dropped: what is left of H_{t-1} is Z * H_{t-1}.
    cell = ostinato.GRUCell(D, H).double()
    state = ostinato.HiddenState(torch.randn(N, H, dtype=torch.float64))
    inputs = drawn_inputs()[:, :1]
    dropped = unroll(cell, inputs, state, noise=Noise(hidden=torch.zeros(N, H).double()))
    projected = cell.project(inputs[:, 0])
    expected, _ = cell.step(projected, torch.zeros_like(state.hidden), state)
    assert_equal(dropped.outputs[:, 0], expected)
    update = torch.sigmoid((projected + cell.bias_hh)[:, H : 2 * H])
    candidate = (expected - update * state.hidden) / (1 - update)
    assert (candidate.abs() <= 1).all()


def test_zoneout_in_evaluation_is_its_expectation() -> None:
    layer = ostinato.RNN(D, H, zoneout=0.25).double().eval()
    plain = ostinato.RNN(D, H).double()
    plain.load_state_dict(layer.state_dict())
    state = (ostinato.HiddenState(torch.randn(N, H, dtype=torch.float64)),)
    inputs = drawn_inputs()[:, 0]
    expected = 0.25 * state[0].hidden + 0.75 * plain.step(inputs, state)[0]
    assert_equal(layer.step(inputs, state)[0], expected)


def test_masks_have_the_mean_that_keeps_the_scale() -> None:
    layer = ostinato.LSTM(D, 400, recurrent_dropout=0.3, weight_drop=0.4, zoneout=0.2)
    (noise,) = layer.draw_noise(torch.zeros(50, D), 3)
    assert noise.forward.hidden.mean().item() == pytest.approx(1.0, abs=0.02)
    assert noise.forward.keep.memory.mean().item() == pytest.approx(0.2, abs=0.02)
    dropped = (noise.forward.weights["weight_hh"] == 0).float().mean().item()
    assert dropped == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "FeedForward"])
def test_bfloat16_autocast_stays_close(kind: str) -> None:
    layer, inputs = getattr(ostinato, kind)(D, H, 2), torch.randn(N, T, D)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _ = layer(inputs)
    torch.testing.assert_close(outputs.float(), layer(inputs)[0], rtol=0.1, atol=0.05)
