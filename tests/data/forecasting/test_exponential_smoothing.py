"""Exponential smoothing as a baseline: the library's own forecasts, and what stands in for gaps."""

import sys

import numpy as np
import pandas
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from ostinato.data.forecasting import exponential_smoothing
from ostinato.data.forecasting.baseline_forecasts import baseline_forecasts, missing_baselines
from ostinato.data.forecasting.exponential_smoothing import smoothing_forecasts, without_gaps


def seasonal(length: int) -> np.ndarray:
    time, chance = np.arange(length), np.random.default_rng(0)
    noise = 0.2 * chance.normal(size=length)
    return (3 * np.sin(time / 6 * np.pi) + 0.05 * time + noise)[:, None]


def library(values: np.ndarray) -> ETSModel:
    return ETSModel(
        pandas.Series(values),
        error="add",
        trend="add",
        damped_trend=True,
        seasonal="add",
        seasonal_periods=12,
        initialization_method="heuristic",
    )


def test_means_and_deviations_are_those_of_the_library_at_every_origin() -> None:
    series = seasonal(120)
    origins = np.array([97, 110])
    paths = smoothing_forecasts(series, 96, origins, 12, 15)
    parameters = library(series[:96, 0]).fit(disp=False, maxiter=100).params
    for number, origin in enumerate(origins):
        found = library(series[:origin, 0]).smooth(parameters)
        mean = found.forecast(15).to_numpy()
        assert paths[number, :, :, 0].mean(0) == pytest.approx(mean, abs=1e-8)
    ahead = library(series[:110, 0]).smooth(parameters).get_prediction(start=110, end=124)
    spread = np.sqrt(ahead.forecast_variance)
    assert paths[1, :, :, 0].std(0) == pytest.approx(spread, rel=0.02)


def test_it_beats_the_naive_forecasts_where_there_is_trend_and_season() -> None:
    series = seasonal(120)
    made = baseline_forecasts(series, 96, np.array([108]), 12, 12)
    errors = {
        name: np.abs(np.median(paths(0), 0) - series[108:]).mean() for name, paths in made.items()
    }
    assert errors["exponential_smoothing"] < min(errors["seasonal_naive"], errors["last_value"])


def test_a_missing_value_is_that_of_a_season_ago_else_the_last_seen() -> None:
    series = np.array([np.nan, 1.0, np.nan, 3.0, np.nan, np.nan])
    assert without_gaps(series, 3).tolist() == [0, 1, 1, 3, 1, 1]


def test_short_and_constant_series_are_forecast_by_their_last_value() -> None:
    short, constant = np.arange(8.0)[:, None], np.full((30, 1), 5.0)
    assert smoothing_forecasts(short, 6, [7], 1, 2)[0, :, :, 0].std() == 0
    assert np.unique(smoothing_forecasts(short, 6, [7], 1, 2)).tolist() == [6]
    assert np.unique(smoothing_forecasts(constant, 20, [25], 4, 3)).tolist() == [5]


def test_without_statsmodels_the_baseline_is_missing_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.tsa.exponential_smoothing.ets", None)
    (told,) = missing_baselines().values()
    assert "pip install 'ostinato[baselines]'" in told
    made = baseline_forecasts(seasonal(40), 30, np.array([36]), 12, 4)
    assert list(made) == ["last_value", "seasonal_naive"]


@pytest.mark.parametrize("season", [1, 12])
def test_what_is_smoothed_row_by_row_is_what_the_library_smooths(
    season: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = seasonal(120)
    series[[50, 101, 102]] = np.nan
    # The deviations are those of what the library smooths, and the library has all up to row 106.
    monkeypatch.setattr(exponential_smoothing, "_SMOOTHED_STEPS", 106)
    part = smoothing_forecasts(series, 96, [97, 106, 107, 113, 120], season, 15).mean(1)
    monkeypatch.setattr(exponential_smoothing, "_SMOOTHED_STEPS", 120)
    whole = smoothing_forecasts(series, 96, [97, 106, 107, 113, 120], season, 15).mean(1)
    np.testing.assert_allclose(part, whole, atol=1e-8)
    assert not np.allclose(whole[1], whole[2])
