"""CRPS from its definition, baselines from theirs, windows that read no future."""

import numpy as np
import pytest
from scipy import stats

from ostinato.data.forecasting.baselines import last_value, seasonal_naive
from ostinato.data.forecasting.judging import Judge, crps, naive_error
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.data.forecasting.windows import WindowSource


def test_crps_is_its_double_sum() -> None:
    chance = np.random.default_rng(0)
    paths, truth = chance.normal(size=(7, 3, 2)), chance.normal(size=(3, 2))
    pairs = np.abs(paths[:, None] - paths[None]).mean((0, 1)) / 2
    assert crps(paths, truth) == pytest.approx(np.abs(paths - truth).mean(0) - pairs)


def test_crps_of_many_draws_is_that_of_the_normal_distribution() -> None:
    paths = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None]
    truth = np.array([0.7])
    exact = 0.7 * (2 * stats.norm.cdf(0.7) - 1) + 2 * stats.norm.pdf(0.7) - 1 / np.sqrt(np.pi)
    assert crps(paths, truth)[0] == pytest.approx(exact, abs=1e-3)


def test_baselines_repeat_the_last_value_and_the_last_season() -> None:
    history = np.array([[1.0], [2.0], [3.0], [np.nan]])
    assert last_value(history, 2)[:, 0].tolist() == [3, 3]
    assert seasonal_naive(3)(history, 5)[:, 0].tolist() == [2, 3, 3, 2, 3]
    assert last_value(history[:2], 2)[:, 0].tolist() == [2, 2]


def test_a_season_with_a_gap_is_made_whole_by_the_one_before() -> None:
    history = np.array([[9.0], [1.0], [np.nan], [4.0], [np.nan], [np.nan], [5.0]])
    assert seasonal_naive(3)(history, 3)[:, 0].tolist() == [1, 5, 5]


def test_the_seasonal_error_leaves_missing_values_out() -> None:
    training = np.array([[1.0], [5.0], [np.nan], [7.0], [4.0], [8.0]])
    assert naive_error(training, 2).tolist() == [1.5]


def test_missing_values_are_not_judged() -> None:
    judge = Judge((0.1, 0.9))
    paths = np.array([[[0.0], [0.0]], [[2.0], [2.0]]])
    judge.add(paths, np.array([[1.0], [np.nan]]), np.array([0.5]), np.zeros(1), np.ones(1))
    figures = judge.figures()
    assert (figures["mse"], figures["mase"], figures["coverage"]) == (0.0, 0.0, 1.0)


def test_smape_is_of_values_in_units() -> None:
    judge = Judge((0.1, 0.9))
    forecast, truth = np.array([[[1.0], [-1.0], [0.5]]]), np.array([[-1.0], [-1.0], [np.nan]])
    # In units: 30 for 10, and 10 for 10.
    judge.add(forecast, truth, np.ones(1), np.array([20.0]), np.array([10.0]))
    assert judge.figures()["smape"] == (200 * 20 / 40 + 0) / 2


def test_windows_read_nothing_past_the_training_part_and_are_drawn_again_the_same() -> None:
    chance = np.random.default_rng(1)
    values = chance.normal(size=(60, 1)).astype(np.float32)
    changed = values.copy()
    changed[40:] = 99.0
    seen, covariates = np.ones((60, 1), dtype=bool), np.zeros((60, 0), dtype=np.float32)
    first, second = (
        WindowSource([PreparedSeries(one, seen, covariates)], [40], 3, 16, 0)
        for one in (values, changed)
    )
    pairs = [(first.epoch(2)[index], second.epoch(2)[index]) for index in range(first.chain)]
    assert [one.inputs.tolist() for one, _ in pairs] == [two.inputs.tolist() for _, two in pairs]
