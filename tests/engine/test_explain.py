"""The explanation of a compiled step is true, and can be read."""

from functools import cache
from typing import Any

import pytest
import torch
from equations import Equations
from torch import Tensor

import ostinato
from ostinato.engine.cache import CellView
from ostinato.engine.cpu.emit import emit
from ostinato.engine.cpu.target import portable_target
from ostinato.engine.explain import Explanation, explain, in_words
from ostinato.engine.program import CannotCompileError
from ostinato.engine.reuse import reuse_memory
from ostinato.engine.stages import Stages, cut_into_stages
from ostinato.engine.trace import Form, trace
from ostinato.state import HiddenState, rebuild, tensors

CELLS: dict[str, Any] = {
    "rnn": ostinato.RNNCell,
    "rnn-relu": lambda d, h: ostinato.RNNCell(d, h, activation="relu"),
    "rnn-norm": lambda d, h: ostinato.RNNCell(d, h, layer_norm=True),
    "lstm": ostinato.LSTMCell,
    "lstm-norm": lambda d, h: ostinato.LSTMCell(d, h, layer_norm=True),
    "lstm-peepholes": lambda d, h: ostinato.LSTMCell(d, h, peepholes=True),
    "lstm-projected": lambda d, h: ostinato.LSTMCell(d, h, projection_size=h // 2),
    "gru": ostinato.GRUCell,
    "gru-norm": lambda d, h: ostinato.GRUCell(d, h, layer_norm=True),
    "gru-before": lambda d, h: ostinato.GRUCell(d, h, reset="before"),
    "gru-before-norm": lambda d, h: ostinato.GRUCell(d, h, reset="before", layer_norm=True),
    "ind-rnn": ostinato.IndRNNCell,
    "min-gru": ostinato.MinGRUCell,
    "min-lstm": ostinato.MinLSTMCell,
    "mgu": ostinato.MinimalGatedUnitCell,
    "sru": ostinato.SRUCell,
    "sru-wide": lambda d, h: ostinato.SRUCell(d + 1, h),
    "slstm": ostinato.SLSTMCell,
    "slstm-heads": lambda d, h: ostinato.SLSTMCell(d, h, heads=2),
}
BATCH = 5


class OneStep:
    """A cell, and a step of it: what goes in, and by torch what comes out and flows back."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.cell = CELLS[name](6, 6).double()
        names = self.cell.state_sizes._fields
        inputs = self._draw(self.cell.input_size)
        previous = [self._draw(size).requires_grad_() for size in tensors(self.cell.state_sizes)]
        state = rebuild(self.cell.state_sizes, previous)
        output, following = self.cell.step(self.cell.project(inputs), state[0], state)
        into_output = self._draw(self.cell.output_size)
        into_states = [self._draw(size) for size in tensors(self.cell.state_sizes)]
        self.parameters = dict(self.cell.named_parameters())
        found = torch.autograd.grad(
            [output, *tensors(following)],
            [inputs, *previous, *self.parameters.values()],
            [into_output, *into_states],
        )
        self.given = {"step_input": inputs, "d_output": into_output}
        self.given |= {f"previous_{n}": t for n, t in zip(names, previous, strict=True)}
        self.given |= {f"d_next_{n}": t for n, t in zip(names, into_states, strict=True)}
        self.expected = {f"next_{n}": t for n, t in zip(names, following, strict=True)}
        wanted = ["step_input", *(f"previous_{name}" for name in names)]
        self.expected |= {f"d_{n}": t for n, t in zip(wanted, found, strict=False)}
        self.gradients = dict(zip(self.parameters, found[len(wanted) :], strict=True))

    def _draw(self, width: int) -> Tensor:
        return torch.randn(BATCH, width, dtype=torch.float64, requires_grad=True)

    def computed(self, name: str) -> Equations:
        with torch.no_grad():
            given = {name: tensor.detach() for name, tensor in self.given.items()}
            equations = Equations({n: p.detach() for n, p in self.parameters.items()}, given)
            equations.run(_told(name))
        return equations


@pytest.mark.parametrize("name", CELLS)
def test_the_equations_give_the_step_and_the_gradients_that_torch_gives(name: str) -> None:
    step = OneStep(name)
    found = step.computed(name)
    for value, expected in step.expected.items():
        torch.testing.assert_close(found[value].T, expected.detach(), rtol=0, atol=1e-12)
    for parameter, expected in step.gradients.items():
        gradient = found[f"d_{parameter}"].reshape(expected.shape)
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)


@cache
def _told(name: str) -> Explanation:
    return explain(CELLS[name](6, 6))


@cache
def _stages(name: str) -> Stages:
    cell = CELLS[name](6, 6)
    traced = trace(cell, CellView(cell).parameters, Form())
    return reuse_memory(cut_into_stages(traced, backward=True))


@pytest.mark.parametrize("name", CELLS)
def test_the_products_told_are_those_in_the_machine_code(name: str) -> None:
    stages, told = _stages(name), _told(name)
    for each, segments in ((stages.forward, told.forward), (stages.backward, told.backward)):
        emitted = emit(each, portable_target(), backward=each is stages.backward)
        shapes = [panels.product.label.shape for panels in emitted.panels]
        products = [product for segment in segments for product in segment.products]
        assert [(product.size, product.columns) for product in products] == shapes


@pytest.mark.parametrize("name", CELLS)
def test_what_is_kept_is_what_the_forward_buffers_hold(name: str) -> None:
    stages = _stages(name)
    kept = sum(each.numbers for each in _told(name).kept)
    made_before = [
        buffer.width
        for buffer in stages.buffers.values()
        if buffer.kind in ("steps", "states") and buffer.name[0] in "XSPVF"
    ]
    assert kept == sum(made_before)


@pytest.mark.parametrize("name", ["lstm-norm", "gru-before-norm", "sru", "slstm"])
def test_no_line_is_wider_than_a_page(name: str) -> None:
    wide = [line for line in in_words(explain(CELLS[name](128, 128))) if len(line) > 100]
    assert wide == []


def test_lstm_is_told_as_its_equations() -> None:
    told = explain(ostinato.LSTMCell(3, 4))
    (segment,) = told.forward
    assert [product.equation for product in told.before] == ["P1 = step_input @ weight_ih.T"]
    assert [p.equation for p in segment.products] == ["P2 = previous_hidden @ weight_hh.T"]
    equations = [line.equation for line in segment.phases[0]]
    assert "a = sigmoid(P1 + bias_ih + P2 + bias_hh)[4:8]" in equations
    assert "next_memory = a * previous_memory + b * c" in equations
    assert "next_hidden = e * f" in equations


def test_each_number_of_a_row_that_a_normalisation_sums_is_told() -> None:
    text = "\n".join(in_words(explain(ostinato.RNNCell(3, 4, layer_norm=True))))
    assert "phase 3" in text
    assert "s2 = sum((" in text


def test_a_cell_without_a_state_has_no_loop() -> None:
    with pytest.raises(CannotCompileError, match="FeedForwardCell carries no state"):
        explain(ostinato.FeedForwardCell(3, 4))


class Sorted(ostinato.Cell):
    """A step that the compiler cannot compile."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_hh = self.weight(hidden_size, hidden_size)

    def step(self, projected: Tensor, hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden = torch.sort(projected + hidden @ self.weight_hh.T).values
        return hidden, HiddenState(hidden)


def test_what_cannot_be_compiled_is_told_with_its_line() -> None:
    with pytest.raises(
        CannotCompileError, match=r"sort .*test_explain.py, line \d+: hidden = torch"
    ):
        explain(Sorted(4, 4))
