"""What forecasters learn from: the likelihood of each step, and paths over the end of a window."""

import numpy as np
import pytest
import torch

import ostinato
from ostinato.data.forecasting.splits import Parts
from ostinato.data.forecasting.windows import ForecastWindow
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.tasks.forecasting.objectives import StepObjective
from ostinato.tasks.forecasting.validation import validation_origins


@pytest.fixture
def model() -> AutoregressiveForecaster:
    torch.manual_seed(0)
    made = AutoregressiveForecaster(ostinato.GRU(input_size_for(1, 0), 4), 1, 0)
    torch.nn.init.normal_(made.head.linear.weight, std=0.3)
    return made


@pytest.fixture
def window() -> ForecastWindow:
    values = torch.randn(6, 10, 1, generator=torch.Generator().manual_seed(0))
    seen = torch.ones_like(values, dtype=torch.bool)
    return ForecastWindow(values, seen, values.new_zeros(6, 10, 0), seen, True, "", 60)


def test_the_loss_that_is_told_is_the_likelihood_of_each_step(model, window) -> None:
    result = StepObjective(model, 4)(window, None)
    parameters, _ = model(window.inputs, window.seen, window.covariates)
    expected = model.loss(parameters, window.inputs, window.seen)
    torch.testing.assert_close(result.losses, expected[..., 0].detach())
    torch.testing.assert_close(result.total, expected.sum())


def test_the_gradient_is_also_that_of_the_error_of_two_paths(model, window) -> None:
    weight = model.head.linear.weight
    torch.manual_seed(5)
    (whole,) = torch.autograd.grad(StepObjective(model, 4)(window, None).total, weight)
    parameters, _ = model(window.inputs, window.seen, window.covariates)
    likelihood = model.loss(parameters, window.inputs, window.seen).sum()
    (of_likelihood,) = torch.autograd.grad(likelihood, weight)
    start = (window.inputs[:, :6], window.seen[:, :6], window.covariates[:, :6])
    _, between = model(*start)
    torch.manual_seed(5)
    twice = type(between)(
        tuple(type(part)(*(one.repeat(2, 1) for one in part)) for part in between.layer),
        *(part.repeat(2, *[1] * (part.dim() - 1)) for part in between[1:]),
    )
    one, two = model.rollout(twice, window.covariates[:, 6:].repeat(2, 1, 1)).chunk(2)
    truth = window.inputs[:, 6:]
    error = ((one - truth).abs() + (two - truth).abs() - (one - two).abs()).sum() / 2
    scaled = 24 * error / (one - truth).abs().sum().detach()
    (of_paths,) = torch.autograd.grad(scaled, weight)
    torch.testing.assert_close(whole, of_likelihood + of_paths, rtol=1e-3, atol=1e-3)


def test_forecasts_to_validate_end_within_the_validation_part() -> None:
    assert validation_origins(Parts(50, 80, 100), 10, 5).tolist() == [50, 55, 60, 65, 70]
    assert validation_origins(Parts(50, 55, 100), 10, 5).tolist() == [45]
    assert validation_origins(Parts(50, 80, 100), 10, 1000).tolist() == [*range(50, 71)]
    assert np.size(validation_origins(Parts(4, 5, 9), 10, 5)) == 0
