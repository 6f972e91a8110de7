"""Dropout before an output: its mask, its mean, and where it does nothing."""

import pytest
import torch

from ostinato.models.output_dropout import OutputDropout


def test_what_is_kept_is_scaled_and_the_rest_is_zero_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    outputs = OutputDropout(0.2)(inputs)
    outputs.sum().backward()
    kept = outputs != 0
    torch.testing.assert_close(outputs, torch.where(kept, inputs / 0.8, 0.0))
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, kept.double() / 0.8)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_the_rate_says(rate: float) -> None:
    torch.manual_seed(0)
    dropped = (OutputDropout(rate)(torch.ones(100_000)) == 0).double().mean()
    assert float(dropped) == pytest.approx(rate, abs=0.005)


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero() -> None:
    inputs = torch.randn(9)
    assert torch.equal(OutputDropout(0.5).eval()(inputs), inputs)
    assert torch.equal(OutputDropout(0.0)(inputs), inputs)
