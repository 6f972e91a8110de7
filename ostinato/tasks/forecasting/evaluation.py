"""How well a forecaster forecasts, beside forecasts that cost nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.baseline_forecasts import (
    BASELINES,
    baseline_forecasts,
    missing_baselines,
)
from ostinato.data.forecasting.by_step import StepJudge
from ostinato.data.forecasting.conformal import shifted
from ostinato.data.forecasting.intervals import IntervalJudge
from ostinato.data.forecasting.judging import Judge
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.errors import DataError
from ostinato.state import stack
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths, states_before
from ostinato.tasks.forecasting.settings import ForecastingSettings

Told = Callable[[int, int], None]
_MOST_SHOWN = 4


@dataclass(frozen=True)
class BacktestWindow:
    """One forecast of a backtest, standardised.

    Args:
        series: its name.
        row: where the forecast begins.
        paths: (samples, horizon, targets).
    """

    series: str
    row: int
    paths: NDArray[np.float64]


@dataclass
class Backtest:
    """What came of forecasts from the test part.

    Args:
        figures: see `judging`; those of each baseline under its name, None where it is missing.
        by_step: of the run, under "", and of each baseline.
        shown: the last forecast of some series.
        missing: why a baseline is missing, by its name.
    """

    figures: dict[str, Any]
    by_step: dict[str, StepJudge]
    shown: list[BacktestWindow]
    missing: dict[str, str]


def backtest(
    model: Forecaster,
    data: ForecastData,
    settings: ForecastingSettings,
    *,
    windows: int,
    shifts: Mapping[str, NDArray[np.float64]] | None = None,
    seed: int = 0,
    told: Told | None = None,
) -> Backtest:
    """Forecast from places of the test part, and compare with what came and with the baselines.

    Every forecast knows all rows before it and none after.

    Args:
        model: in evaluation mode.
        data: the run's own table.
        settings: of the run.
        windows: forecasts of each series, spread evenly over its test part; at most one a row.
        shifts: of the quantiles, from `calibrate`: the coverage with them is told, too. None: not.
        seed: where the paths come from.
        told: called with the forecasts done and those in all.

    Raises:
        DataError: no test part holds a whole horizon.
    """
    season, horizon = data.facts.season, settings.horizon
    origins = {name: origins_of(data, name, horizon, windows) for name in data.series}
    total, done = sum(map(len, origins.values())), 0
    if total == 0:
        raise DataError(
            f"no test part holds {horizon} steps with a value: set --test-fraction higher, or "
            "--horizon lower"
        )
    missing = missing_baselines()
    labels = [label for label in ("", *BASELINES) if label not in missing]
    judges = {label: Judge(settings.quantiles) for label in labels}
    by_step = {label: StepJudge(horizon) for label in labels}
    intervals, shown = IntervalJudge(), []
    for name, one in data.prepared(settings).items():
        rows = origins[name]
        if len(rows) == 0:
            continue
        whole = np.where(one.seen, one.values, np.nan).astype(np.float64)
        naive = np.array(data.facts.naive_errors[name])
        train_end = data.parts[name].train_end
        paths = forecasts_from(model, one, rows, settings, seed)
        beside = baseline_forecasts(whole, train_end, rows, season, horizon)
        for number, row in enumerate(rows):
            truth = whole[row : row + horizon]
            made = {"": paths[number]} | {label: of(number) for label, of in beside.items()}
            for label, own in made.items():
                judges[label].add(own, truth, naive)
                by_step[label].add(own, truth)
            if shifts is not None:
                quantiles = np.quantile(paths[number], settings.quantiles, axis=0)
                intervals.add(quantiles, shifted(quantiles, shifts[name]), truth)
        if len(shown) < _MOST_SHOWN:
            shown.append(BacktestWindow(name, int(rows[-1]), paths[-1]))
        done += len(rows)
        if told is not None:
            told(done, total)
    figures: dict[str, Any] = {label: judge.figures() for label, judge in judges.items()}
    figures = {**figures.pop(""), **figures, **dict.fromkeys(missing)}
    if shifts is not None:
        figures["conformal"] = intervals.figures()
    return Backtest({**figures, "windows": total, "horizon": horizon}, by_step, shown, missing)


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
    states = list(states_before(model, series, origins))
    return paths_from(model, series, origins, states, settings, seed).astype(np.float64)


def paths_from(
    model: Forecaster,
    series: PreparedSeries,
    origins: NDArray[np.int64],
    states: Sequence[Any],
    settings: ForecastingSettings,
    seed: int,
) -> NDArray[np.float32]:
    """Paths from each origin, whose state is known: (origins, samples, horizon, targets)."""
    ahead = np.stack([series.covariates[row : row + settings.horizon] for row in origins])
    return draw_paths(model, stack(states), ahead, settings.samples, seed)
