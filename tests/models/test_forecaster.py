"""A forecaster reads in pieces as in one go, looks at no future, and knows its densities."""

import pytest
import torch
from scipy import stats
from torch.distributions import Normal

import ostinato
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.state import map_state, tensors


@pytest.fixture(params=["gaussian", "student-t"])
def model(request: pytest.FixtureRequest) -> AutoregressiveForecaster:
    torch.manual_seed(0)
    layer = ostinato.LSTM(input_size_for(2, 3), 5)
    made = AutoregressiveForecaster(layer, 2, 3, season=4, distribution=request.param)
    torch.nn.init.normal_(made.head.linear.weight)
    return made.double().eval()


@pytest.fixture
def read() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    values = torch.randn(3, 11, 2, generator=chance, dtype=torch.double)
    seen = torch.rand(3, 11, 2, generator=chance) > 0.3
    return values, seen, torch.randn(3, 11, 3, generator=chance, dtype=torch.double)


def test_row_by_row_is_the_whole(model, read) -> None:
    whole, final = model(*read)
    state, rows = None, []
    for step in range(11):
        parameters, state = model(*(part[:, step : step + 1] for part in read), state)
        rows.append(parameters)
    torch.testing.assert_close(torch.cat(rows, 1), whole)
    for one, other in zip(tensors(state), tensors(final), strict=True):
        torch.testing.assert_close(one, other)


def test_changing_the_future_changes_nothing_before_it(model, read) -> None:
    values, seen, covariates = read
    before, _ = model(values, seen, covariates)
    later_values, later_seen = values.clone(), seen.clone()
    later_values[:, 6:], later_seen[:, 6:] = 50.0, True
    after, _ = model(later_values, later_seen, covariates)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


def test_what_is_missing_is_not_looked_at(model, read) -> None:
    values, seen, covariates = read
    other = torch.where(seen, values, 777.0)
    assert torch.equal(model(values, seen, covariates)[0], model(other, seen, covariates)[0])


def test_the_loss_is_minus_the_log_density_of_what_was_seen(read) -> None:
    torch.manual_seed(0)
    model = AutoregressiveForecaster(ostinato.GRU(input_size_for(2, 3), 4), 2, 3).double()
    values, seen, covariates = read
    parameters, _ = model(values, seen, covariates)
    density = Normal(parameters[..., 0], parameters[..., 1]).log_prob(values)
    expected = torch.where(seen, -density, 0.0)
    torch.testing.assert_close(model.loss(parameters, values, seen), expected)


def test_a_path_is_what_reading_its_own_values_expects(read) -> None:
    torch.manual_seed(0)
    layer = ostinato.LSTM(input_size_for(2, 3), 5)
    model = AutoregressiveForecaster(layer, 2, 3, season=4).eval()
    torch.nn.init.normal_(model.head.linear.weight)
    values, seen, covariates = read[0].float(), read[1], read[2].float()
    _, state = model(values, seen, covariates)
    torch.manual_seed(7)
    path = model.sample(state, covariates)
    parameters, _ = model(path, torch.ones_like(seen), covariates, state)
    torch.manual_seed(7)
    noise = torch.stack([torch.normal(torch.zeros(3, 2), 1.0) for _ in range(11)], 1)
    again = parameters[..., 0] + parameters[..., 1] * noise
    torch.testing.assert_close(path, again, rtol=1e-4, atol=1e-4)


def test_a_series_that_moved_is_expected_to_be_there_by_as_much(model, read) -> None:
    values, seen, covariates = read
    seen[:, 0] = True
    before, _ = model(values, seen, covariates)
    after, _ = model(values + 40, seen, covariates)
    torch.testing.assert_close(after[:, 1:, :, 0], before[:, 1:, :, 0] + 40)
    torch.testing.assert_close(after[:, 1:, :, 1:], before[:, 1:, :, 1:])


@pytest.fixture
def counter() -> AutoregressiveForecaster:
    torch.manual_seed(0)
    layer = ostinato.LSTM(input_size_for(1, 0), 5)
    made = AutoregressiveForecaster(layer, 1, 0, season=3, distribution="negative-binomial")
    torch.nn.init.normal_(made.head.linear.weight, std=0.3)
    return made.double().eval()


def test_the_loss_of_counts_is_that_of_the_negative_binomial_distribution(counter) -> None:
    counts = torch.tensor([[[0.0], [3.0], [1.0], [12.0], [0.0]]], dtype=torch.double)
    seen, nothing = torch.ones_like(counts, dtype=torch.bool), counts.new_zeros(1, 5, 0)
    parameters, _ = counter(counts, seen, nothing)
    mean, spread = parameters[0, :, 0, 0].tolist(), parameters[0, :, 0, 1].tolist()
    expected = [
        -stats.nbinom.logpmf(count, 1 / alpha, 1 / (1 + alpha * mu))
        for count, mu, alpha in zip(counts[0, :, 0].tolist(), mean, spread, strict=True)
    ]
    assert counter.loss(parameters, counts, seen)[0, :, 0].tolist() == pytest.approx(expected)


def test_drawn_counts_are_counts_of_the_expected_mean_and_variance(counter) -> None:
    counts = torch.tensor([[[4.0], [7.0], [5.0]]], dtype=torch.double)
    seen, nothing = torch.ones_like(counts, dtype=torch.bool), counts.new_zeros(1, 1, 0)
    _, state = counter(counts, seen, nothing.expand(1, 3, 0))
    next_one, _ = counter(counts[:, :1], seen[:, :1], nothing, state)
    mean, spread = next_one[0, 0, 0].tolist()
    torch.manual_seed(0)
    drawn = counter.float().paths(state_in_single_precision(state), nothing.float(), 20000)
    assert torch.equal(drawn, drawn.round())
    assert drawn.min() >= 0
    assert float(drawn.mean()) == pytest.approx(mean, rel=0.03)
    assert float(drawn.var()) == pytest.approx(mean + spread * mean**2, rel=0.08)


def state_in_single_precision(state):
    return map_state(lambda part: part.float(), state)


def test_a_gradient_flows_through_all_that_was_drawn(model, read) -> None:
    _, state = model(*read)
    weight = model.head.linear.weight
    ahead = read[2][:, :3]

    def last_of_path(weights: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        changed = {"head.linear.weight": weights}
        path = torch.func.functional_call(
            Rollout(model),
            {f"model.{name}": part for name, part in changed.items()},
            (state, ahead),
        )
        return path[:, -1].sum()

    (found,) = torch.autograd.grad(last_of_path(weight), weight)
    small = torch.zeros_like(weight)
    small[1, 2] = 1e-6
    with torch.no_grad():
        apart = last_of_path(weight + small) - last_of_path(weight - small)
    # Student's t is drawn by rejection: its gradient is right in the mean of many draws.
    assert found[1, 2].item() == pytest.approx(apart.item() / 2e-6, rel=5e-3)


class Rollout(torch.nn.Module):
    def __init__(self, model: AutoregressiveForecaster) -> None:
        super().__init__()
        self.model = model

    def forward(self, state, ahead: torch.Tensor) -> torch.Tensor:
        return self.model.rollout(state, ahead)
