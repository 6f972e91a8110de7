"""Cells of one line each, and what the compiled engine makes of them beside the reference."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato
from ostinato.cells import Cell
from ostinato.engine import Noise, Reading, unroll
from ostinato.state import HiddenState, map_state, tensors

HIDDEN, FEATURES, SAMPLES, TIME = 4, 3, 4, 5


def mended(*values: Any, reason: str) -> Any:
    """A case that went wrong once, for this reason."""
    return pytest.param(*values, id=values[0] if isinstance(values[0], str) else None)


class Two(NamedTuple):
    hidden: Any
    other: Any


class Own(Cell):
    """tanh(...) of some kind: its step is `rule(cell, projected, hidden, state)`."""

    def __init__(self, rule: Any, sizes: Any = HiddenState(HIDDEN), **parts: Any) -> None:  # noqa: B008
        super().__init__(FEATURES, HIDDEN)
        self.rule = rule
        self.state_sizes = sizes
        self.weight_ih = self.weight(HIDDEN, FEATURES)
        self.weight_hh = self.weight(HIDDEN, HIDDEN)
        self.bias = self.weight(HIDDEN)
        for name, part in parts.items():
            setattr(self, name, part)

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias)

    def step(self, projected: Tensor, hidden: Tensor, state: Any) -> Any:
        return self.rule(self, projected, hidden, state)


def plain(cell: Own, projected: Tensor, hidden: Tensor) -> Tensor:
    return projected + F.linear(hidden, cell.weight_hh)


def of_sum(function: Callable[[Tensor], Tensor]) -> Any:
    """The step H_t = function(W X_t + U H_{t-1} + b)."""

    def rule(cell: Own, projected: Tensor, hidden: Tensor, state: Any) -> Any:
        following = function(plain(cell, projected, hidden))
        return following, HiddenState(following)

    return rule


def of_parts(function: Callable[[Own, Tensor, Tensor], Tensor]) -> Any:
    """The step H_t = function(cell, W X_t + b, H_{t-1})."""

    def rule(cell: Own, projected: Tensor, hidden: Tensor, state: Any) -> Any:
        following = function(cell, projected, hidden)
        return following, HiddenState(following)

    return rule


def of_two(function: Callable[[Tensor, Two], tuple[Tensor, Two]]) -> Any:
    """The step output, states = function(tanh(W X_t + U H_{t-1} + b), previous states)."""

    def rule(cell: Own, projected: Tensor, hidden: Tensor, state: Two) -> Any:
        return function(torch.tanh(plain(cell, projected, hidden)), state)

    return rule


def readings(cell: Cell, samples: int = SAMPLES, time: int = TIME) -> list[Reading]:
    like = next(cell.parameters())
    initial = map_state(lambda size: torch.randn(samples, size).to(like), cell.state_sizes)
    map_state(lambda part: part.requires_grad_(), initial)
    lengths = torch.arange(samples) * time // max(1, samples - 1)
    return [Reading(), Reading(lengths, torch.rand(samples, time) < 0.4, initial)]


def differentiated(
    cell: Cell,
    inputs: Tensor,
    reading: Reading,
    engine: str | None,
    noise: Noise | None = None,
) -> list[Tensor]:
    """Outputs, final state, and the gradients of a random loss by all there is."""
    torch.manual_seed(7)
    like = next(cell.parameters())
    state = map_state(lambda size: torch.randn(len(inputs), size).to(like), cell.state_sizes)
    map_state(lambda part: part.requires_grad_(), state)
    inputs = inputs.detach().requires_grad_()
    found = unroll(cell, inputs, state, reading, noise, engine=engine)
    results = [found.outputs, *tensors(found.state)]
    loss = sum((result * torch.randn(result.shape).to(result)).sum() for result in results)
    own = [parameter for parameter in cell.parameters() if parameter.requires_grad]
    initial = tensors(reading.initial_state) if reading.initial_state is not None else []
    leaves = [inputs, *tensors(state), *initial, *own]
    return results + list(
        torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)  # pyright: ignore
    )


def assert_same(some: Iterable[Tensor], others: Iterable[Tensor], tolerance: float = 1e-9) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.dtype == other.dtype
        scale = max([1.0, *other.detach().abs().nan_to_num(0, 0, 0).flatten().tolist()])
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale, equal_nan=True)


def assert_agrees(cell: Cell, engine: str | None = "compiled") -> None:
    cell = cell.double()
    inputs = torch.randn(SAMPLES, TIME, cell.input_size, dtype=torch.float64)
    for reading in readings(cell):
        assert_same(
            differentiated(cell, inputs, reading, engine),
            differentiated(cell, inputs, reading, "reference"),
        )


def reason_of(cell: Cell) -> str:
    (choice,) = ostinato.Recurrent([cell]).engine_choices()
    return f"{choice.engine}: {choice.reason}"


class Scaled(Cell):
    """tanh of a sum, times `factor(cell)`."""

    def __init__(self, factor: Any, **parts: Any) -> None:
        super().__init__(FEATURES, HIDDEN)
        self.factor = factor
        self.weight_ih = self.weight(HIDDEN, FEATURES)
        self.weight_hh = self.weight(HIDDEN, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)
        for name, part in parts.items():
            setattr(self, name, part)

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih)

    def step(self, projected: Tensor, hidden: Tensor, state: HiddenState) -> Any:
        summed = self.norm(projected + F.linear(hidden, self.weight_hh))
        following = torch.tanh(summed) * self.factor(self)
        return following, HiddenState(following)


def lstm(hidden: int = HIDDEN, dtype: torch.dtype = torch.float64) -> ostinato.LSTMCell:
    return ostinato.LSTMCell(FEATURES, hidden).to(dtype)
