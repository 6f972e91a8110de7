"""How well a forecaster forecasts, beside forecasts that cost nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.baselines import errors_in_training, last_value, seasonal_naive
from ostinato.data.forecasting.judging import Judge
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.errors import DataError
from ostinato.state import stack
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths, read_on
from ostinato.tasks.forecasting.settings import ForecastingSettings

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class BacktestWindow:
    """One forecast of a backtest, in the units of the table.

    Args:
        series: its name.
        row: where the forecast begins.
        paths: (samples, horizon, targets).
    """

    series: str
    row: int
    paths: NDArray[np.float64]


def backtest(
    model: Forecaster,
    data: ForecastData,
    settings: ForecastingSettings,
    *,
    windows: int,
    seed: int = 0,
    told: Told | None = None,
) -> tuple[dict[str, Any], BacktestWindow]:
    """Forecast from places of the test part, and compare with what came and with the baselines.

    Every forecast knows all rows before it and none after.

    Args:
        model: in evaluation mode.
        data: the run's own table.
        settings: of the run.
        windows: forecasts of each series, spread evenly over its test part; at most one a row.
        seed: where the paths come from.
        told: called with the forecasts done and those in all.

    Returns:
        The figures (see `judging`), the same of each baseline under its name, and the last forecast
        of the first series.

    Raises:
        DataError: no test part holds a whole horizon.
    """
    season, horizon = data.facts.season, settings.horizon
    baselines = {"last_value": last_value, "seasonal_naive": seasonal_naive(season)}
    judges = {name: Judge(settings.quantiles) for name in ("", *baselines)}
    origins = {name: origins_of(data, name, horizon, windows) for name in data.series}
    total, done, shown = sum(map(len, origins.values())), 0, None
    if total == 0:
        raise DataError(
            f"no test part holds {horizon} steps with a value: set --test-fraction higher, or "
            "--horizon lower"
        )
    for name, one in data.prepared(settings).items():
        if len(origins[name]) == 0:
            continue
        whole = np.where(one.seen, one.values, np.nan).astype(np.float64)
        naive = np.array(data.facts.naive_errors[name])
        truths = [whole[row : row + horizon] for row in origins[name]]
        paths = forecasts_from(model, one, origins[name], settings, seed)
        for path, truth in zip(paths, truths, strict=True):
            judges[""].add(path, truth, naive)
        training = whole[: data.parts[name].train_end]
        for label, baseline in baselines.items():
            errors = errors_in_training(baseline, training, season, horizon)
            for row, truth in zip(origins[name], truths, strict=True):
                point = baseline(whole[:row], horizon)
                judges[label].add(_around(point, errors), truth, naive)
        shown = shown or BacktestWindow(name, int(origins[name][-1]), _units(paths[-1], data, name))
        done += len(paths)
        if told is not None:
            told(done, total)
    assert shown is not None
    figures = {label: judge.figures() for label, judge in judges.items()}
    return {**figures.pop(""), **figures, "windows": total, "horizon": horizon}, shown


def origins_of(data: ForecastData, name: str, horizon: int, windows: int) -> NDArray[np.int64]:
    """The rows that forecasts of a series begin at."""
    first = max(data.parts[name].validation_end, 1)
    last = data.parts[name].test_end - horizon
    if last < first:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.linspace(first, last, min(windows, last - first + 1)).round().astype(int))


def forecasts_from(
    model: Forecaster,
    series: PreparedSeries,
    origins: NDArray[np.int64],
    settings: ForecastingSettings,
    seed: int,
) -> NDArray[np.float64]:
    """Paths from each origin: (origins, samples, horizon, targets)."""
    states, state, read = [], None, 0
    for row in origins:
        state = read_on(model, series, read, int(row), state)
        states.append(state)
        read = int(row)
    ahead = np.stack([series.covariates[row : row + settings.horizon] for row in origins])
    return draw_paths(model, stack(states), ahead, settings.samples, seed).astype(np.float64)


def _around(point: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Paths of a baseline: its forecast with the errors of training, each to either side.

    Mean and median stay the forecast itself, so that MSE and MAE are those of the point.
    """
    return point + np.concatenate([errors, -errors])


def _units(paths: NDArray[np.float64], data: ForecastData, name: str) -> NDArray[np.float64]:
    scaling = data.facts.scalings[name]
    return paths * scaling.scale + scaling.location
