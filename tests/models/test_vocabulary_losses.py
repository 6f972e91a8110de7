"""The losses over a vocabulary beside torch's own, their gradients, and what is not computed."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.models import smoothed_losses
from ostinato.models.vocabulary_losses import log_normaliser, vocabulary_losses


def leaves(rows: int, size: int, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    shapes = (rows, size), (vocabulary, size), (vocabulary,)
    first, second, third = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    )
    return first, second, third


def batch(smoothing: float) -> tuple[Tensor, Tensor, nn.Linear, Tensor, Tensor]:
    """Our losses and those of a whole softmax, of the same numbers."""
    torch.manual_seed(1)
    features = torch.randn(4, 5, 8, requires_grad=True)
    output, targets = nn.Linear(8, 11), torch.randint(11, (4, 5))
    counted = torch.arange(5) < torch.tensor([[5], [1], [3], [2]])
    ours = vocabulary_losses(features, output, targets, counted, smoothing=smoothing)
    log_probabilities = F.log_softmax(output(features), -1)
    whole = smoothed_losses(log_probabilities, targets, smoothing, 11)
    return ours, torch.where(counted, whole, 0.0), output, features, counted


def test_normaliser_is_the_logarithm_of_the_sum_of_exponentials() -> None:
    x, w, b = leaves(7, 5, 13)
    torch.testing.assert_close(log_normaliser(x, w, b), (x @ w.T + b).logsumexp(1))


def test_gradients_of_the_normaliser_are_its_finite_differences() -> None:
    assert torch.autograd.gradcheck(log_normaliser, leaves(3, 4, 6))


def test_normaliser_of_several_parts_is_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b = leaves(50, 8, 40)
    whole = log_normaliser(x, w, b)
    expected = torch.autograd.grad(whole.sum(), (x, w, b))
    monkeypatch.setattr("ostinato.models.vocabulary_losses._NUMBERS_AT_ONCE", 40 * 16)
    parts = log_normaliser(x, w, b)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts.sum(), (x, w, b)), expected)


def test_normaliser_without_gradient_is_that_with_it() -> None:
    x, w, b = leaves(50, 8, 40)
    with torch.no_grad():
        without = log_normaliser(x, w, b)
    assert torch.equal(without, log_normaliser(x, w, b))


def test_logits_beyond_the_range_of_exponentials_are_borne() -> None:
    x, w, b = leaves(2, 3, 4)
    far = log_normaliser(x, w, b + 5000.0)
    torch.testing.assert_close(far, log_normaliser(x, w, b) + 5000.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_and_gradients_are_those_of_a_whole_softmax(smoothing: float) -> None:
    ours, whole, output, features, _ = batch(smoothing)
    torch.testing.assert_close(ours, whole)
    weights = torch.rand_like(ours)
    wanted = (features, output.weight, output.bias)
    found = torch.autograd.grad((weights * ours).sum(), wanted, retain_graph=True)
    expected = torch.autograd.grad((weights * whole).sum(), wanted)
    torch.testing.assert_close(found, expected)


def test_what_does_not_count_may_hold_anything() -> None:
    _, whole, output, features, counted = batch(0.0)
    targets = torch.zeros(4, 5, dtype=torch.long)
    spoilt = torch.where(counted.unsqueeze(2), features, torch.nan).detach().requires_grad_()
    losses = vocabulary_losses(spoilt, output, targets, counted)
    losses.sum().backward()
    assert torch.equal(losses == 0, whole == 0)
    assert spoilt.grad is not None
    assert bool(spoilt.grad.isfinite().all())


def test_a_batch_of_which_nothing_counts_has_no_loss_and_no_gradient() -> None:
    output, counted = nn.Linear(8, 11), torch.zeros(2, 3, dtype=torch.bool)
    features = torch.randn(2, 3, 8, requires_grad=True)
    losses = vocabulary_losses(features, output, torch.zeros(2, 3, dtype=torch.long), counted)
    losses.sum().backward()
    assert features.grad is not None
    assert output.weight.grad is not None
    assert losses.sum() == 0
    assert features.grad.abs().sum() == 0
    assert output.weight.grad.abs().sum() == 0


def test_autocast_rounds_the_factors_and_sums_in_single_precision() -> None:
    torch.manual_seed(2)
    features, targets = torch.randn(3, 40, 64), torch.randint(300, (3, 40))
    output, counted = nn.Linear(64, 300), torch.ones(3, 40, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        found = vocabulary_losses(features, output, targets, counted)
    with torch.no_grad():
        output.weight.copy_(output.weight.bfloat16())
    expected = vocabulary_losses(features.bfloat16(), output, targets, counted)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
