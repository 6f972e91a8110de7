"""The parallel engine gives what the loop gives, in value and gradient."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ostinato
from ostinato.engine import Noise, Reading, Unrolled, available, choose, unroll
from ostinato.errors import EngineError
from ostinato.state import HiddenState, tensors

N, T, D, H = 3, 7, 2, 3
CELLS = {"minGRU": ostinato.MinGRUCell, "minLSTM": ostinato.MinLSTMCell}
each_cell = pytest.mark.parametrize("kind", sorted(CELLS))


class Average(ostinato.Cell):
    """A linear recurrence of one's own: a moving average of the inputs, without parameters."""

    def linear_form(self, projected: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full_like(projected, 0.75), 0.25 * projected

    def step(self, projected: torch.Tensor, hidden: Any, state: Any) -> tuple[torch.Tensor, Any]:
        hidden = 0.75 * state.hidden + 0.25 * projected
        return hidden, HiddenState(hidden)


def cell_of(kind: str) -> ostinato.Cell:
    cell = CELLS[kind](D, H).double()
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter)
    return cell


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def assert_equal(one: Any, other: Any) -> None:
    for mine, expected in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-11, atol=1e-12)


def gradients(unrolled: Unrolled, leaves: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Of a sum that weighs every output and every state of every step differently."""
    parts = tensors(tuple(unrolled))
    total = sum((part * torch.linspace(1, 2, part.numel()).view_as(part)).sum() for part in parts)
    return torch.autograd.grad(total, leaves, materialize_grads=True)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_parallel_and_reference_agree(data: st.DataObject) -> None:
    cell = cell_of(data.draw(st.sampled_from(sorted(CELLS))))
    n, time = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 19))
    lengths = data.draw(st.none() | st.lists(st.integers(0, time), min_size=n, max_size=n))
    resets = data.draw(st.sampled_from([None, 0.3, 1.0]))
    reverse, stated = data.draw(st.booleans()), data.draw(st.booleans())
    inputs, carried, initial = drawn(n, time, D), drawn(n, H), drawn(n, H)
    leaves = [leaf.requires_grad_() for leaf in (inputs, carried, initial, *cell.parameters())]
    reading = Reading(
        None if lengths is None else torch.tensor(lengths),
        None if resets is None else torch.rand(n, time) < resets,
        HiddenState(initial),
        reverse,
    )
    state = HiddenState(carried) if stated else None
    one, other = (
        unroll(cell, inputs, state, reading, engine=engine, all_states=True)
        for engine in ("parallel", "reference")
    )
    assert_equal(tuple(one), tuple(other))
    assert_equal(gradients(one, leaves), gradients(other, leaves))


@each_cell
def test_long_sequences_agree(kind: str) -> None:
    cell, inputs = cell_of(kind), drawn(2, 1000, D)
    one, other = (unroll(cell, inputs, engine=engine) for engine in ("parallel", "reference"))
    assert_equal(one.outputs, other.outputs)


@each_cell
def test_gradients_are_those_of_finite_differences_twice(kind: str) -> None:
    cell, resets = cell_of(kind), torch.zeros(2, 5, dtype=torch.bool)
    resets[0, 3] = True

    def run(inputs: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        reading = Reading(lengths=torch.tensor([5, 4]), resets=resets)
        return unroll(cell, inputs, HiddenState(hidden), reading, engine="parallel").outputs

    leaves = [drawn(2, 5, D).requires_grad_(), drawn(2, H).requires_grad_()]
    assert torch.autograd.gradcheck(run, leaves)
    assert torch.autograd.gradgradcheck(run, leaves)


@each_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_layer_on_the_parallel_engine_is_the_layer_on_the_loop(
    kind: str, bidirectional: bool
) -> None:
    cell, backward = cell_of(kind), [cell_of(kind)] if bidirectional else None
    layers = [
        ostinato.Recurrent([cell], backward, learned_initial_state=True, engine=engine).double()
        for engine in ("parallel", None)
    ]
    for layer in layers:
        torch.nn.init.constant_(layer.learned[0].hidden, 0.7)
    resets = torch.rand(N, T) < 0.3
    one, other = (
        layer(inputs, lengths=torch.tensor([T, 3, 0]), resets=resets)
        for layer, inputs in zip(layers, [drawn(N, T, D)] * 2, strict=True)
    )
    assert_equal(one[0], other[0])
    assert_equal(one[1], other[1])


@each_cell
def test_windows_and_single_steps_continue_a_parallel_pass(kind: str) -> None:
    layer, inputs = ostinato.Recurrent([cell_of(kind)], engine="parallel"), drawn(N, T, D)
    whole, final = layer(inputs)
    first, state = layer(inputs[:, :4])
    second, state = layer(inputs[:, 4:6], state)
    last, state = layer.step(inputs[:, 6], state)
    assert_equal(torch.cat([first, second, last.unsqueeze(1)], 1), whole)
    assert_equal(state, final)


@each_cell
@pytest.mark.parametrize("engine", ["parallel", "reference"])
def test_a_nan_ends_at_the_next_reset(kind: str, engine: str) -> None:
    cell, inputs, resets = cell_of(kind), drawn(N, T, D), torch.zeros(N, T, dtype=torch.bool)
    resets[:, 4] = True
    clean = unroll(cell, inputs, reading=Reading(resets=resets), engine=engine).outputs
    inputs[1, 2] = torch.nan
    outputs = unroll(cell, inputs, reading=Reading(resets=resets), engine=engine).outputs
    assert outputs[1, 2:4].isnan().all()
    assert torch.equal(outputs[1, 4:], clean[1, 4:])
    assert torch.equal(outputs[[0, 2]], clean[[0, 2]])


def test_what_stands_in_the_padding_does_not_matter() -> None:
    cell, inputs, lengths = cell_of("minLSTM"), drawn(N, T, D), torch.tensor([T, 3, 0])
    padding = (torch.arange(T) >= lengths.unsqueeze(1)).unsqueeze(2)
    garbage = inputs.masked_fill(padding, torch.nan)
    outputs, _, _ = unroll(cell, garbage, reading=Reading(lengths), engine="parallel")
    outputs.sum().backward()
    assert_equal(outputs, unroll(cell, inputs, reading=Reading(lengths)).outputs)
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_a_linear_recurrence_of_one_s_own_runs_in_parallel() -> None:
    cell, inputs = Average(D, D), drawn(N, T, D)
    state = HiddenState(drawn(N, D))
    one, other = (unroll(cell, inputs, state, engine=engine) for engine in ("parallel", None))
    assert_equal(one.outputs, other.outputs)
    assert_equal(one.state, other.state)


def test_parallel_is_taken_only_where_it_is_asked_for() -> None:
    cell = ostinato.MinGRUCell(D, H)
    by_rule = choose(cell, Noise(), engine=None, all_states=False)
    assert by_rule.engine != "parallel"
    assert choose(cell, Noise(), engine="parallel", all_states=True).engine == "parallel"
    assert "parallel" in [engine.name for engine in available()]


REFUSED = [
    (ostinato.GRUCell(D, H), Noise(), "GRUCell declares no linear recurrence"),
    (ostinato.SRUCell(D, H), Noise(), "SRUCell declares no linear recurrence"),
    (ostinato.IndRNNCell(D, H), Noise(), "IndRNNCell declares no linear recurrence"),
    (ostinato.FeedForwardCell(D, H), Noise(), "FeedForwardCell declares no linear recurrence"),
    (ostinato.MinGRUCell(D, H), Noise(keep=HiddenState(torch.zeros(N, T, H))), "zoneout acts"),
    (ostinato.MinGRUCell(D, H), Noise(hidden=torch.ones(N, H)), "recurrent dropout acts"),
]


@pytest.mark.parametrize(("cell", "noise", "reason"), REFUSED, ids=[why for _, _, why in REFUSED])
def test_what_it_cannot_compute_is_refused_with_the_reason(
    cell: Any, noise: Noise, reason: str
) -> None:
    with pytest.raises(EngineError, match=reason):
        unroll(cell, torch.zeros(N, T, D), noise=noise, engine="parallel")


def test_bfloat16_autocast_stays_close() -> None:
    cell, inputs = ostinato.MinLSTMCell(D, H), torch.randn(N, T, D)
    with torch.autocast("cpu", torch.bfloat16):
        one, other = (
            unroll(cell, inputs, engine=engine).outputs for engine in ("parallel", "reference")
        )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
