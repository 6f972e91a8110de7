"""Dropout before an output: its mask, its mean, and where it does nothing."""

import pytest
import torch

from ostinato.layers.dropout import Dropout, inverted_mask, random_mask


def test_what_is_kept_is_scaled_and_the_rest_is_zero_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    outputs = Dropout(0.2)(inputs)
    outputs.sum().backward()
    kept = outputs != 0
    torch.testing.assert_close(outputs, torch.where(kept, inputs / 0.8, 0.0))
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, kept.double() / 0.8)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_the_rate_says(rate: float) -> None:
    torch.manual_seed(0)
    dropped = (Dropout(rate)(torch.ones(100_000)) == 0).double().mean()
    assert float(dropped) == pytest.approx(rate, abs=0.005)


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero() -> None:
    inputs = torch.randn(9)
    assert torch.equal(Dropout(0.5).eval()(inputs), inputs)
    assert torch.equal(Dropout(0.0)(inputs), inputs)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_mask_has_as_many_ones_in_any_precision(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    mask = random_mask(torch.empty(200_000, dtype=kind), 0.999)
    assert mask.dtype == kind
    assert float(mask.double().mean()) == pytest.approx(0.999, abs=0.0004)
    assert set(inverted_mask(mask, 0.5).unique().tolist()) == {0.0, 2.0}


def test_all_may_be_dropped() -> None:
    assert torch.equal(Dropout(1.0)(torch.ones(5)), torch.zeros(5))
