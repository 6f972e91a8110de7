"""A path drawn as one loop of an engine, against the same path step by step."""

import pytest
import torch
from scipy import stats

import ostinato
from ostinato.cells.decayed import DecayedCell
from ostinato.engine import Noise, choose
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.path_cell import can_be_one_cell
from ostinato.models.predictive import PredictiveHead


def forecaster(
    layer: ostinato.layers.RecurrentLayer, distribution: str, **options
) -> AutoregressiveForecaster:
    made = AutoregressiveForecaster(layer, 2, 3, distribution=distribution, **options)
    torch.nn.init.normal_(made.head.linear.weight, std=0.5)
    return made.double()


def stacked(**options) -> ostinato.layers.RecurrentLayer:
    return ostinato.LSTM(input_size_for(2, 3), 5, num_layers=2, residual=True, **options)


def decaying() -> ostinato.layers.RecurrentLayer:
    width = input_size_for(2, 3, decay=True)
    return ostinato.Recurrent([DecayedCell(ostinato.GRUCell(width - 2, 5, reset="before"), 2)])


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (stacked, {"season": 4, "distribution": "gaussian"}),
        (stacked, {"season": 30, "distribution": "student-t", "normalisation": "none"}),
        (decaying, {"season": 3, "distribution": "gaussian", "decay": True}),
    ],
)
def test_a_path_and_its_gradient_are_those_of_single_steps(make, options) -> None:
    torch.manual_seed(0)
    model = forecaster(make(), **options).eval()
    values, seen = torch.randn(3, 7, 2).double(), torch.rand(3, 7, 2) > 0.3
    _, state = model(values, seen, torch.randn(3, 7, 3).double())
    ahead = torch.randn(3, 11, 3).double()
    parameters = list(model.parameters())
    found = []
    for by_steps in (False, True):
        torch.manual_seed(1)
        noise = model.head.noise(3, 11)
        each = iter(noise.unbind(1))

        def draw(given: torch.Tensor, each=each) -> torch.Tensor:
            return model.head.value(given.unbind(-1), next(each).split(2, -1))

        path = (
            model._path_by_steps(state, ahead, draw)
            if by_steps
            else model._path(state, ahead, noise)
        )
        gradients = torch.autograd.grad(path.square().sum(), parameters, retain_graph=True)
        found.append((path, *gradients))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_the_engine_compiles_a_path_of_gaussians_and_of_students_t() -> None:
    for distribution in ("gaussian", "student-t"):
        (cell,) = forecaster(stacked(), distribution)._one_cell
        noise = Noise(weights=cell.weights())
        assert choose(cell, noise, engine=None, all_states=False).engine == "compiled"


def test_dropout_between_layers_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    model = forecaster(stacked(dropout=0.5), "gaussian")
    state, ahead = model.initial_state(2), torch.randn(2, 6, 3).double()
    noise = model.head.noise(2, 6)
    one, other = model._path(state, ahead, noise), model._path(state, ahead, noise)
    assert not torch.equal(one, other)
    model.eval()
    one, other = model._path(state, ahead, noise), model._path(state, ahead, noise)
    assert torch.equal(one, other)


def test_a_layer_that_disturbs_its_states_is_stepped_through() -> None:
    torch.manual_seed(0)
    model = forecaster(stacked(zoneout=0.3), "gaussian").eval()
    assert not can_be_one_cell(model.layer)
    state, covariates = model.initial_state(2), torch.randn(2, 6, 3).double()
    torch.manual_seed(3)
    path = model.sample(state, covariates)
    parameters, _ = model(path, torch.ones_like(path, dtype=torch.bool), covariates, state)
    torch.manual_seed(3)
    noise = model.head.noise(2, 6)
    torch.testing.assert_close(path, parameters[..., 0] + parameters[..., 1] * noise)


def test_noise_becomes_students_t() -> None:
    torch.manual_seed(1)
    head = PredictiveHead(3, 1, "student-t").double()
    noise = head.noise(20000, 1)[:, 0]
    freedom = torch.full((20000, 1), 3.5, dtype=torch.double)
    parameters = [torch.full_like(freedom, 2.0), torch.full_like(freedom, 0.5), freedom]
    drawn = head.value(parameters, noise.split(1, -1)).numpy()[:, 0]
    assert stats.kstest(drawn, stats.t(3.5, 2.0, 0.5).cdf).pvalue > 0.05
