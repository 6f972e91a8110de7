"""Gradients of single steps: those that autograd gives in a loop that keeps every step's own."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato.cells import Cell
from ostinato.engine import Noise, Reading, StepGradients, unroll
from ostinato.errors import EngineError
from ostinato.state import map_state, tensors

SAMPLES, TIME, FEATURES, HIDDEN = 4, 7, 3, 4
CELLS: dict[str, Any] = {
    "rnn": ostinato.RNNCell,
    "lstm": ostinato.LSTMCell,
    "lstm-norm": lambda d, h: ostinato.LSTMCell(d, h, layer_norm=True),
    "lstm-projected": lambda d, h: ostinato.LSTMCell(d, h + 1, projection_size=h),
    "lstm-peepholes": lambda d, h: ostinato.LSTMCell(d, h, peepholes=True),
    "gru": ostinato.GRUCell,
    "gru-before-norm": lambda d, h: ostinato.GRUCell(d, h, reset="before", layer_norm=True),
    "slstm": ostinato.SLSTMCell,
    "sru": ostinato.SRUCell,
    "min-gru": ostinato.MinGRUCell,
}
OPTIONS: list[tuple[str, ...]] = [
    (),
    ("reverse",),
    ("lengths", "resets"),
    ("lengths", "resets", "reverse", "all_states"),
    ("lengths", "keep", "mask", "reverse"),
    ("lengths", "resets", "reverse", "recompute"),
    ("keep", "mask", "all_states", "recompute"),
]


class Case:
    """A cell in double precision with all that one call takes."""

    def __init__(self, name: str, options: tuple[str, ...] = ()) -> None:
        torch.manual_seed(0)
        self.cell: Cell = CELLS[name](FEATURES, HIDDEN).double()
        self.options = options
        self.inputs = torch.randn(SAMPLES, TIME, FEATURES).double()
        widths = self.cell.state_sizes

        def draw(width: int) -> Tensor:
            return torch.rand(SAMPLES, width).double() + 0.5

        self.state = map_state(draw, widths)
        self.initial = map_state(draw, widths)
        lengths, resets = torch.tensor([7, 0, 3, 5]), torch.rand(SAMPLES, TIME) < 0.3
        self.reading = Reading(
            lengths if "lengths" in options else None,
            resets if "resets" in options else None,
            self.initial,
            "reverse" in options,
        )
        keep = map_state(lambda width: (torch.rand(SAMPLES, TIME, width) < 0.3).double(), widths)
        mask = (torch.rand(SAMPLES, widths[0]) < 0.7).double() / 0.7
        self.noise = Noise(mask if "mask" in options else None, keep if "keep" in options else None)
        torch.manual_seed(1)
        self.weights = torch.randn(SAMPLES, TIME, self.cell.output_size).double()
        self.final_weights = map_state(lambda width: torch.randn(SAMPLES, width).double(), widths)
        self.state_weights = map_state(
            lambda width: torch.randn(SAMPLES, TIME, width).double(), widths
        )

    def watched(self, engine: str) -> list[Tensor]:
        watch = StepGradients()
        every = "all_states" in self.options
        found = unroll(
            self.cell,
            self.inputs,
            self.state,
            self.reading,
            self.noise,
            engine=engine,
            all_states=every,
            recompute="recompute" in self.options,
            watch=watch,
        )
        pairs = [(found.outputs, self.weights)]
        pairs += zip(tensors(found.state), tensors(self.final_weights), strict=True)
        if every:
            pairs += zip(tensors(found.states), tensors(self.state_weights), strict=True)
        loss = torch.stack([(value * weight).sum() for value, weight in pairs]).sum()
        loss.backward()
        return [watch.projected, *tensors(watch.state)]


def by_hand(case: Case, sample: int) -> list[Tensor]:
    """One sample alone, a step at a time in the order of reading; each step's gradient retained."""
    reading, cell = case.reading, case.cell
    length = TIME if reading.lengths is None else int(reading.lengths[sample])
    order = list(range(length))[:: -1 if reading.reverse else 1]
    boundary = [False] * (TIME + 1) if reading.resets is None else [*reading.resets[sample], False]
    own = slice(sample, sample + 1)
    state = map_state(lambda part: part[own], case.state)
    projected: dict[int, Tensor] = {}
    states: dict[int, Any] = {}
    loss = torch.zeros((), dtype=torch.float64)
    for place, t in enumerate(order):
        follows = t + 1 < length and bool(boundary[t + 1])
        if follows if reading.reverse else bool(boundary[t]):
            state = map_state(lambda part: part[own], case.initial)
        projected[t] = cell.project(case.inputs[own, t])
        projected[t].retain_grad()
        output, following = cell.step(projected[t], state[0], state)
        assert place < TIME
        for part in tensors(following):
            part.retain_grad()
        states[t] = state = following
        loss = loss + (output * case.weights[own, t]).sum()
    for part, weight in zip(tensors(state), tensors(case.final_weights), strict=True):
        loss = loss + (part * weight[own]).sum()
    loss.backward()
    widths = [cell.project(case.inputs[own, 0]).shape[1], *tensors(cell.state_sizes)]
    found = [torch.zeros(TIME, width, dtype=torch.float64) for width in widths]  # pyright: ignore[reportArgumentType]
    for t in order:
        values = [projected[t], *tensors(states[t])]
        for place, value in zip(found, values, strict=True):
            place[t] = 0.0 if value.grad is None else value.grad[0]
    return found


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    "options", [(), ("reverse",), ("lengths", "resets"), ("lengths", "resets", "reverse")], ids=str
)
@pytest.mark.parametrize("name", ["rnn", "lstm", "lstm-norm", "gru", "lstm-projected"])
def test_each_step_s_gradient_is_autograd_s_in_a_loop_by_hand(
    name: str, options: tuple[str, ...], engine: str
) -> None:
    case = Case(name, options)
    found = case.watched(engine)
    lengths = [TIME] * SAMPLES if case.reading.lengths is None else case.reading.lengths.tolist()
    for sample in (sample for sample in range(SAMPLES) if lengths[sample]):
        for one, other in zip(found, by_hand(case, sample), strict=True):
            torch.testing.assert_close(one[sample], other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("name", CELLS)
def test_the_compiled_engine_s_are_those_of_the_reference(
    name: str, options: tuple[str, ...]
) -> None:
    case = Case(name, options)
    pairs = zip(case.watched("compiled"), case.watched("reference"), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_watching_changes_neither_results_nor_gradients(engine: str) -> None:
    case = Case("lstm-norm", ("lengths", "resets"))
    leaf = case.inputs.clone().requires_grad_()
    results = []
    for watch in (None, StepGradients()):
        found = unroll(
            case.cell, leaf, case.state, case.reading, case.noise, engine=engine, watch=watch
        )
        gradients = torch.autograd.grad(
            (found.outputs * case.weights).sum(), [leaf, *case.cell.parameters()]
        )
        results.append([found.outputs, *found.state, *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_frozen_input_weights_do_not_matter(engine: str) -> None:
    case = Case("rnn")
    expected = case.watched(engine)
    case.cell.requires_grad_(False)
    case.cell.get_parameter("weight_hh").requires_grad_(True)
    for one, other in zip(case.watched(engine), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def test_what_flows_into_the_projection_gives_the_gradient_of_its_weights() -> None:
    case = Case("lstm")
    projected = case.watched("compiled")[0]
    weights = projected.flatten(0, 1).T @ case.inputs.flatten(0, 1)
    torch.testing.assert_close(case.cell.get_parameter("weight_ih").grad, weights)


# ---- layers


def test_a_layer_fills_what_its_step_gradients_hold() -> None:
    layer = ostinato.LSTM(3, 4, num_layers=2, bidirectional=True)
    watch = layer.step_gradients()
    outputs, _ = layer(torch.randn(2, 5, 3), lengths=torch.tensor([5, 2]), watch=watch)
    outputs.sum().backward()
    assert watch[0].backward.state.memory.shape == (2, 5, 4)
    assert watch[1].forward.projected.shape == (2, 5, 16)
    assert watch[1].backward.state.hidden[1, 2:].abs().sum() == 0
    assert bool((watch[1].forward.state.hidden[0] != 0).all())


def test_every_call_of_a_layer_inside_a_model_can_be_watched() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = ostinato.GRU(3, 4)
            self.decoder = ostinato.LSTM(4, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            encoded, _ = self.encoder(inputs)
            first, state = self.decoder(encoded[:, :3])
            return first.sum() + self.decoder(encoded[:, 3:], state)[0].sum()

    model = Model()
    with ostinato.layers.watched(model) as seen:
        loss = model(torch.randn(2, 5, 3))
    model(torch.randn(2, 5, 3))
    loss.backward()
    assert {name: len(calls) for name, calls in seen.items()} == {"encoder": 1, "decoder": 2}
    assert seen["encoder"][0][0].state.hidden.shape == (2, 5, 4)
    assert seen["decoder"][1][0].state.memory.shape == (2, 2, 2)


# ---- what is refused


def test_one_holds_one_call() -> None:
    cell, watch = ostinato.RNNCell(3, 4), StepGradients()
    unroll(cell, torch.zeros(1, 2, 3), watch=watch)
    with pytest.raises(EngineError, match="watch another call already"):
        unroll(cell, torch.zeros(1, 2, 3), watch=watch)


def test_reading_before_the_backward_pass_is_refused() -> None:
    watch = StepGradients()
    unroll(ostinato.RNNCell(3, 4), torch.zeros(1, 2, 3), watch=watch)
    with pytest.raises(EngineError, match=r"call loss.backward\(\) first"):
        _ = watch.state


@pytest.mark.parametrize("engine", ["vendor", "parallel"])
def test_engines_that_keep_them_to_themselves_refuse(engine: str) -> None:
    cell = {"vendor": ostinato.LSTMCell(3, 4), "parallel": ostinato.MinGRUCell(3, 4)}[engine]
    with pytest.raises(EngineError, match="keeps the gradients of single steps to itself"):
        unroll(cell, torch.zeros(1, 2, 3), engine=engine, watch=StepGradients())


def test_transformed_calls_and_second_derivatives_refuse() -> None:
    cell, inputs = ostinato.LSTMCell(3, 4), torch.randn(1, 2, 3, requires_grad=True)
    with pytest.raises(EngineError, match=r"inside torch.compile"):
        torch.func.grad(lambda x: unroll(cell, x, watch=StepGradients()).outputs.sum())(inputs)
    outputs = unroll(cell, inputs, watch=StepGradients()).outputs
    with pytest.raises(EngineError, match="first derivatives only"):
        torch.autograd.grad(outputs.sum(), inputs, create_graph=True)


def test_under_checkpointing_the_reference_is_watched() -> None:
    case, watch = Case("lstm"), StepGradients()
    expected = case.watched("compiled")
    with torch.autograd.graph.save_on_cpu():
        found = unroll(case.cell, case.inputs, case.state, case.reading, watch=watch)
    pairs = [(found.outputs, case.weights), *zip(found.state, case.final_weights, strict=True)]
    torch.stack([(value * weight).sum() for value, weight in pairs]).sum().backward()
    torch.testing.assert_close(watch.projected, expected[0])
