"""A causal Transformer has the contract of a recurrent layer: its cache is a state."""

import pytest
import torch

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import (
    CausalTransformer,
    TransformerDecoder,
    TransformerOptions,
    with_capacity,
)
from ostinato.state import detach, map_state, reset, select, stack, unstack

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
POSITIONS = pytest.mark.parametrize("positions", ["sinusoidal", "learned"])


def make(positions: str = "sinusoidal", **options: object) -> CausalTransformer:
    torch.manual_seed(0)
    return CausalTransformer(8, 2, context=6, heads=2, positions=positions, **options)


def in_windows(layer: CausalTransformer, inputs: torch.Tensor, *sizes: int) -> torch.Tensor:
    state, outputs = None, []
    for window in inputs.split(list(sizes), 1):
        output, state = layer(window, state)
        outputs.append(output)
    return torch.cat(outputs, 1)


def alone(layer: CausalTransformer, inputs: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Outputs of steps read by themselves, nothing before them."""
    return layer(inputs[:, start:stop])[0]


@POSITIONS
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_step_by_step_is_the_whole_at_once(positions: str, norm: str) -> None:
    layer, inputs = make(positions, norm=norm), torch.randn(3, 20, 8)
    whole, final = layer(inputs)
    state = layer.initial_state(3)
    for t in range(20):
        output, state = layer.step(inputs[:, t], state)
        torch.testing.assert_close(output, whole[:, t], **CLOSE)
    assert torch.equal(state.length, final.length)


@POSITIONS
@pytest.mark.parametrize("sizes", [(6, 6, 8), (1, 5, 14), (7, 13), (3, 3, 3, 3, 8), (19, 1)])
def test_windows_with_a_carried_state_are_one_pass(positions: str, sizes: tuple[int, ...]) -> None:
    layer, inputs = make(positions), torch.randn(2, 20, 8)
    torch.testing.assert_close(in_windows(layer, inputs, *sizes), layer(inputs)[0], **CLOSE)


def test_a_full_context_begins_anew_with_its_last_half() -> None:
    layer, inputs = make(), torch.randn(2, 12, 8)
    whole, _ = layer(inputs)
    torch.testing.assert_close(whole[:, :6], alone(layer, inputs, 0, 6), **CLOSE)
    torch.testing.assert_close(whole[:, 6:9], alone(layer, inputs, 3, 9)[:, 3:], **CLOSE)
    torch.testing.assert_close(whole[:, 9:12], alone(layer, inputs, 6, 12)[:, 3:], **CLOSE)


def test_an_odd_context_keeps_the_smaller_half() -> None:
    layer = CausalTransformer(8, 1, context=5, heads=2)
    inputs = torch.randn(1, 8, 8)
    whole, state = layer(inputs)
    torch.testing.assert_close(whole[:, 5:8], alone(layer, inputs, 3, 8)[:, 2:], **CLOSE)
    assert state.length.tolist() == [5]


def test_a_step_does_not_see_what_comes() -> None:
    layer, inputs = make(), torch.randn(1, 20, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(inputs)[0][:, 12].sum(), inputs)
    seen = gradient[0].abs().sum(1).nonzero().squeeze(1).tolist()
    assert seen == [9, 10, 11, 12]


def test_sessions_of_different_lengths_go_on_in_one_batch() -> None:
    layer, inputs = make(), torch.randn(3, 30, 8)
    states = [layer(inputs[row : row + 1, :past])[1] for row, past in enumerate((2, 11, 5))]
    together, after = layer(
        torch.stack([inputs[0, 2:9], inputs[1, 11:18], inputs[2, 5:12]]), stack(states)
    )
    for row, past in enumerate((2, 11, 5)):
        expected = layer(inputs[row : row + 1, : past + 7])[0][:, past:]
        torch.testing.assert_close(together[row : row + 1], expected, **CLOSE)
        output, _ = layer(inputs[row : row + 1, past + 7 :], unstack(after)[row])
        expected = layer(inputs[row : row + 1])[0][:, past + 7 :]
        torch.testing.assert_close(output, expected, **CLOSE)


def test_padding_is_not_read_and_the_state_is_that_of_each_samples_last_step() -> None:
    layer, inputs, lengths = make(), torch.randn(4, 11, 8), [11, 7, 1, 0]
    before = torch.randn(4, 4, 8)
    outputs, state = layer(inputs, layer(before)[1], lengths=torch.tensor(lengths))
    onward, _ = layer(before, state)
    for row, length in enumerate(lengths):
        real = torch.cat([before[row], inputs[row, :length], before[row]]).unsqueeze(0)
        expected, _ = layer(real)
        torch.testing.assert_close(outputs[row, :length], expected[0, 4 : 4 + length], **CLOSE)
        torch.testing.assert_close(onward[row], expected[0, 4 + length :], **CLOSE)
        assert not outputs[row, length:].any()


@pytest.mark.parametrize("past", [0, 4])
def test_a_reset_starts_afresh_in_the_middle(past: int) -> None:
    layer, inputs = make(), torch.randn(3, 20, 8)
    before = torch.randn(3, 4, 8)[:, :past]
    resets = torch.zeros(3, 20, dtype=torch.bool)
    resets[0, 3] = resets[0, 11] = resets[1, 0] = True
    _, state = layer(before)
    outputs, final = layer(inputs, state, resets=resets)
    torch.testing.assert_close(outputs[:1, 3:11], alone(layer, inputs[:1], 3, 11), **CLOSE)
    torch.testing.assert_close(outputs[:1, 11:], alone(layer, inputs[:1], 11, 20), **CLOSE)
    torch.testing.assert_close(outputs[1:2], alone(layer, inputs[1:2], 0, 20), **CLOSE)
    unbroken = layer(torch.cat([before, inputs], 1)[2:])[0][:, past:]
    torch.testing.assert_close(outputs[2:], unbroken, **CLOSE)
    onward, _ = layer(inputs, final)
    expected = layer(torch.cat([inputs[:1, 11:], inputs[:1]], 1))[0][:, 9:]
    torch.testing.assert_close(onward[:1], expected, **CLOSE)


def test_the_functions_of_a_state_work_on_the_cache() -> None:
    layer, inputs = make(), torch.randn(3, 4, 8)
    _, state = layer(inputs)
    step = torch.randn(3, 8)
    expected, _ = layer.step(step, state)
    swapped, _ = layer.step(step[[2, 0, 0]], select(state, torch.tensor([2, 0, 0])))
    torch.testing.assert_close(swapped, expected[[2, 0, 0]], **CLOSE)
    fresh = reset(state, torch.tensor([True, False, False]), layer.initial_state(3))
    outputs, _ = layer.step(step, fresh)
    torch.testing.assert_close(outputs[1:], expected[1:], **CLOSE)
    torch.testing.assert_close(outputs[:1], alone(layer, step.unsqueeze(1), 0, 1)[:1, 0], **CLOSE)
    again, _ = layer.step(step, stack(unstack(state)))
    torch.testing.assert_close(again, expected, **CLOSE)
    assert not any(part.requires_grad for part in detach(state).layers[0])


def test_a_state_stays_as_it_was() -> None:
    layer, inputs = make(), torch.randn(2, 30, 8)
    _, state = layer(inputs[:, :5])
    copy = map_state(torch.clone, state)
    layer(inputs[:, 5:], state)
    layer.step(inputs[:, 5], state)
    stepper = layer.stepper(2)
    stepper.state = state
    stepper(inputs[:, 5])
    layer(inputs, state, resets=torch.rand(2, 30) < 0.2)
    torch.testing.assert_close(state, copy, rtol=0, atol=0)


def test_the_prepared_stepper_is_the_whole_at_once_without_dropout() -> None:
    layer, inputs = make(dropout=0.5), torch.randn(2, 20, 8)
    stepper = layer.stepper(2)
    written = torch.stack([stepper(inputs[:, t]) for t in range(20)], 1)
    assert layer.training
    torch.testing.assert_close(written, layer.eval()(inputs)[0], **CLOSE)


def test_gradients_of_windows_with_an_attached_state_are_those_of_one_pass() -> None:
    layer, inputs = make(), torch.randn(2, 14, 8)
    whole = torch.autograd.grad(layer(inputs)[0].square().sum(), list(layer.parameters()))
    cut = in_windows(layer, inputs, 4, 10).square().sum()
    torch.testing.assert_close(
        torch.autograd.grad(cut, list(layer.parameters())), whole, rtol=1e-3, atol=1e-3
    )


def test_resets_and_lengths_have_the_gradients_of_sequences_by_themselves() -> None:
    layer, inputs = make().double(), torch.randn(1, 6, 8, dtype=torch.double, requires_grad=True)
    resets = torch.tensor([[False, False, True, False, False, False]])
    outputs, _ = layer(inputs, lengths=torch.tensor([5]), resets=resets)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), inputs)
    parts = [alone(layer, inputs, 0, 2), alone(layer, inputs, 2, 5)]
    (expected,) = torch.autograd.grad(sum(part.square().sum() for part in parts), inputs)
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-6)


def test_an_empty_window_changes_nothing() -> None:
    layer, inputs = make(), torch.randn(2, 4, 8)
    _, state = layer(inputs)
    outputs, after = layer(inputs[:, :0], state)
    assert outputs.shape == (2, 0, 8)
    torch.testing.assert_close(after, state, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must divide 8, got 3"),
        ({"context": 1}, "context must be at least 2"),
        ({"num_layers": 0}, "num_layers must be at least 1"),
        ({"norm": "both"}, "norm must be 'pre' or 'post', got 'both'"),
        ({"activation": "tanh"}, "activation must be 'relu' or 'gelu'"),
        ({"positions": "none"}, "positions must be 'sinusoidal' or 'learned'"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"feed_forward_size": 0}, "feed_forward_size must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CausalTransformer(8, **({"heads": 2} | options))


def test_inputs_of_another_shape_are_refused() -> None:
    layer = make()
    with pytest.raises(ShapeError, match=r"with 8 features, got \(2, 3, 7\)"):
        layer(torch.randn(2, 3, 7))
    with pytest.raises(ShapeError, match="lengths must be"):
        layer(torch.randn(2, 3, 8), lengths=torch.tensor([3]))
    with pytest.raises(ShapeError, match="resets must be booleans"):
        layer(torch.randn(2, 3, 8), resets=torch.zeros(2, 3))


def decoder_and_memory() -> tuple[TransformerDecoder, tuple]:
    torch.manual_seed(0)
    decoder = TransformerDecoder(TransformerOptions(8, heads=2), 2)
    return decoder, decoder.prepare(torch.randn(2, 5, 8))


@pytest.mark.parametrize("sizes", [(1,) * 9, (4, 5), (2, 1, 6)])
def test_a_decoder_reads_on_while_its_cache_grows(sizes: tuple[int, ...]) -> None:
    decoder, memory = decoder_and_memory()
    inputs, state, outputs = torch.randn(2, 9, 8), decoder.initial_state(2, capacity=2), []
    for window in inputs.split(list(sizes), 1):
        output, state = decoder.read_on(window, state, memory)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1), decoder(inputs, memory), **CLOSE)
    assert state[0].keys.shape[2] < 2 * 9


def test_decoder_states_of_different_lengths_and_capacities_are_stacked() -> None:
    decoder, memory = decoder_and_memory()
    inputs, both = torch.randn(2, 9, 8), []
    for row, past in enumerate((2, 6)):
        state = decoder.initial_state(1, capacity=past)
        own = map_state(lambda part, row=row: part[row : row + 1], memory)
        both.append(decoder.read_on(inputs[row : row + 1, :past], state, own)[1])
    with pytest.raises(ShapeError, match=r"got \(2, 2, 4\) and \(2, 6, 4\) a sample"):
        stack(both)
    states = [tuple(with_capacity(cache, 6) for cache in state) for state in both]
    new = torch.stack([inputs[0, 2:5], inputs[1, 6:9]])
    outputs, _ = decoder.read_on(new, stack(states), memory)
    whole = decoder(inputs, memory)
    torch.testing.assert_close(outputs, torch.stack([whole[0, 2:5], whole[1, 6:9]]), **CLOSE)
