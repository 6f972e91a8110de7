"""What the compiler refuses: it runs on another engine, with a reason."""

import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from own_cells import FEATURES, HIDDEN, Own, assert_agrees, of_parts, of_sum, reason_of
from torch import Tensor, nn

import ostinato
from ostinato.errors import EngineError

UNKNOWN: dict[str, tuple[Any, str]] = {
    "softmax": (of_sum(lambda z: z.softmax(-1)), "softmax"),
    "largest": (of_sum(lambda z: z - z.amax(-1, keepdim=True)), "amax"),
    "a slice with a step": (of_sum(lambda z: z[:, ::2].repeat(1, 2)), "slice with a step"),
    "a stack": (of_sum(lambda z: torch.stack([z, z]).sum(0)), "stack"),
    "a power of a third": (of_sum(lambda z: (z * z + 1) ** (1 / 3)), "a power of 0.33"),
    "indices": (of_sum(lambda z: z[:, [3, 2, 1, 0]]), "known to the compiler"),
    "counting": (of_sum(lambda z: z * torch.arange(4)), "arange"),
    "all of the batch": (of_sum(lambda z: z / (1 + z.sum().abs())), "sum over everything"),
    "the batch's mean": (of_sum(lambda z: z - z.mean(0)), "vector's gradient"),
    "one column": (of_sum(lambda z: z * z[:, :1].select(1, 0)[:, None]), "picking one entry"),
    "noise": (of_sum(lambda z: z + torch.randn_like(z)), "randn_like"),
    "dropout": (of_sum(lambda z: F.dropout(z, 0.5)), ""),
    "a part written to": (of_sum(lambda z: torch.tanh(z[:, :2].add_(1.0)).repeat(1, 2)), ""),
    "a look at a value": (of_sum(lambda z: z if z.detach().sum() > 0 else -z), "a tensor's value"),
    "a scaled matrix": (
        of_parts(lambda cell, projected, hidden: projected + hidden @ (cell.weight_hh / 2)),
        "of a weight matrix",
    ),
    "a row of a matrix": (
        of_parts(lambda cell, projected, hidden: projected + hidden * cell.weight_hh[0]),
        "one entry of a weight matrix",
    ),
    "joined matrices": (
        of_parts(
            lambda cell, projected, hidden: (
                torch.cat([projected, hidden], 1) @ torch.cat([cell.weight_hh, cell.weight_hh])
            )
        ),
        "a join of",
    ),
    "a slice of a vector": (
        of_parts(lambda cell, projected, hidden: projected + hidden * cell.bias[:2].repeat(2)),
        "",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_step_with_this_runs_in_the_reference_and_says_why(name: str) -> None:
    rule, why = UNKNOWN[name]
    layer = ostinato.Recurrent([Own(rule)])
    assert reason_of(layer.cells[0]).startswith("reference: compiled: ")  # pyright: ignore
    assert why in reason_of(layer.cells[0])  # pyright: ignore
    assert layer(torch.randn(2, 3, FEATURES))[0].shape == (2, 3, HIDDEN)


def test_a_number_as_a_parameter_runs_in_the_reference_and_says_so() -> None:
    cell = Own(of_parts(lambda cell, p, h: torch.tanh(p + h * cell.scale)))
    cell.scale = nn.Parameter(torch.tensor(0.5))
    assert "the parameter scale has 0 axes" in reason_of(cell)
    assert_agrees(cell, None)


def test_a_parameter_of_another_precision_runs_in_the_reference_and_says_so() -> None:
    cell = Own(of_sum(torch.tanh))
    cell.other = nn.Parameter(torch.ones(4, dtype=torch.float64))
    assert "its parameters are float32, float64" in reason_of(cell)


def test_a_step_that_raises_raises_its_own_exception() -> None:
    def refuse(z: Tensor) -> Tensor:
        raise ValueError("only on Sundays")

    with pytest.raises(ValueError, match="only on Sundays"):
        ostinato.Recurrent([Own(of_sum(refuse))])(torch.randn(1, 2, FEATURES))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_layer_in_half_runs_on_another_engine(kind: torch.dtype) -> None:
    layer = ostinato.LSTM(3, 4).to(kind)
    assert layer(torch.randn(2, 5, 3, dtype=kind))[0].dtype == kind
    assert layer.engine_choices()[0].engine != "compiled"


def test_the_reason_names_the_half_precision() -> None:
    cell = Own(of_sum(torch.tanh)).half()
    assert "its parameters are float16" in reason_of(cell)


@pytest.fixture
def broken_emitter(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such instruction")

    monkeypatch.setattr("ostinato.engine.cpu.recurrence.CompiledRecurrence", fail)


@pytest.mark.parametrize("both", [False, True])
def test_a_fault_in_the_emitter_is_told_once_and_another_engine_runs(
    both: bool, broken_emitter: None
) -> None:
    cells = [Own(of_sum(lambda z: torch.tanh(z) * (0.731 + both))) for _ in range(1 + both)]
    layer = ostinato.Recurrent(cells[:1], cells[1:] or None)
    plain = ostinato.Recurrent(cells[:1], cells[1:] or None, engine="reference")
    inputs = torch.randn(2, 3, FEATURES)
    with pytest.warns(UserWarning, match="of Own .ValueError: no such instruction.*please report"):
        found, _ = layer(inputs)
    torch.testing.assert_close(found, plain(inputs)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(inputs)
    why = layer.engine_choices()[0].reason
    assert "no machine code could be made of its step (ValueError: no such instruction)" in why
    with pytest.raises(EngineError, match="cannot run Own"):
        ostinato.Recurrent(cells[:1], engine="compiled")(inputs)
