"""Exponential smoothing as a baseline: the library's own forecasts, and what stands in for gaps."""

import sys
import tracemalloc

import numpy as np
import pandas
import pytest
from scipy.stats import norm
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from ostinato.data.forecasting import long_rows
from ostinato.data.forecasting.baseline_forecasts import baseline_forecasts, missing_baselines
from ostinato.data.forecasting.exponential_smoothing import smoothing_forecasts, without_gaps


def seasonal(length: int) -> np.ndarray:
    time, chance = np.arange(length), np.random.default_rng(0)
    noise = 0.2 * chance.normal(size=length)
    return (3 * np.sin(time / 6 * np.pi) + 0.05 * time + noise)[:, None]


def library(values: np.ndarray, season: int = 12) -> ETSModel:
    return ETSModel(
        pandas.Series(values),
        error="add",
        trend="add",
        damped_trend=True,
        seasonal="add" if season > 1 else None,
        seasonal_periods=season if season > 1 else None,
        initialization_method="heuristic",
    )


@pytest.mark.parametrize("season", [1, 12])
def test_means_and_deviations_are_those_of_the_library_at_every_origin(
    season: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = seasonal(120)
    series[[50, 101, 102]] = np.nan
    filled = without_gaps(series[:, 0], season)
    monkeypatch.setattr(long_rows, "_PIECE_NUMBERS", 7)
    origins = [96, 97, 106, 107, 113, 120]
    paths = smoothing_forecasts(series, 96, origins, season, 15)[..., 0]
    parameters = library(filled[:96], season).fit(disp=False, maxiter=100).params
    for own, origin in zip(paths, origins, strict=True):
        found = library(filled[:origin], season).smooth(parameters)
        assert own.mean(0) == pytest.approx(found.forecast(15).to_numpy(), abs=1e-8)
        ahead = found.get_prediction(start=origin, end=origin + 14)
        quantiles = norm.ppf(np.array([0.005, 0.995]))
        wanted = quantiles[:, None] * np.sqrt(ahead.forecast_variance)
        np.testing.assert_allclose(own[[0, -1]] - own.mean(0), wanted, atol=1e-8)


def test_origins_that_fall_or_lie_within_the_fitted_rows_are_refused() -> None:
    for origins in ([95], [110, 97], [97, 97]):
        with pytest.raises(ValueError, match="origins must rise from 96 on"):
            smoothing_forecasts(seasonal(120), 96, origins, 12, 3)


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


def test_of_a_long_series_few_rows_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_rows, "_PIECE_NUMBERS", 1000)
    series = np.ones((200_000, 1))
    tracemalloc.start()
    paths = smoothing_forecasts(series, 199_000, np.array([199_500]), 1, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < series.nbytes / 4
    assert (paths == 1).all()
