"""How well a forecaster forecasts, beside forecasts that cost nothing."""

from collections.abc import Callable, Mapping
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
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths, states_in_batches
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
        unjudged: series whose test part holds no whole horizon.
    """

    figures: dict[str, Any]
    by_step: dict[str, StepJudge]
    shown: list[BacktestWindow]
    missing: dict[str, str]
    unjudged: list[str]


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
    horizon = settings.horizon
    origins = {name: origins_of(data, name, horizon, windows) for name in data.series}
    total, done = sum(map(len, origins.values())), 0
    if total == 0:
        raise DataError(
            f"no test part holds {horizon} steps with a value: set --test-fraction higher, or "
            "--horizon lower"
        )
    judges = _Judges(settings, calibrated=shifts is not None)
    shown = []
    for name, one in data.prepared(settings).items():
        rows = origins[name]
        if len(rows) == 0:
            continue
        paths = forecasts_from(model, one, rows, settings, seed)
        judges.add(data, name, one, rows, paths)
        if shifts is not None:
            judges.add_intervals(one, rows, paths, shifts[name])
        if len(shown) < _MOST_SHOWN:
            shown.append(BacktestWindow(name, int(rows[-1]), paths[-1]))
        done += len(rows)
        if told is not None:
            told(done, total)
    figures = {**judges.figures(), "windows": total, "horizon": horizon}
    unjudged = [name for name, rows in origins.items() if len(rows) == 0]
    return Backtest(figures, judges.by_step, shown, judges.missing, unjudged)


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
    ((_, state),) = states_in_batches(model, series, origins, len(origins))
    return paths_from(model, series, origins, state, settings, seed).astype(np.float64)


def paths_from(
    model: Forecaster,
    series: PreparedSeries,
    origins: NDArray[np.int64],
    state: Any,
    settings: ForecastingSettings,
    seed: int,
) -> NDArray[np.float32]:
    """Paths from each origin, its state one of a batch: (origins, samples, horizon, targets)."""
    ahead = np.stack([series.covariates[row : row + settings.horizon] for row in origins])
    return draw_paths(model, state, ahead, settings.samples, seed)


class _Judges:
    """What the forecasts of a backtest are judged by: the run's own, under "", and baselines'.

    Args:
        settings: of the run.
        calibrated: whether intervals are compared, too.
    """

    def __init__(self, settings: ForecastingSettings, *, calibrated: bool) -> None:
        self.settings = settings
        self.missing = missing_baselines()
        labels = [label for label in ("", *BASELINES) if label not in self.missing]
        self.overall = {label: Judge(settings.quantiles) for label in labels}
        self.by_step = {label: StepJudge(settings.horizon) for label in labels}
        self.intervals = IntervalJudge() if calibrated else None

    def add(
        self,
        data: ForecastData,
        name: str,
        series: PreparedSeries,
        origins: NDArray[np.int64],
        paths: NDArray[np.float64],
    ) -> None:
        """Compare the forecasts of one series, and those of the baselines from the same rows."""
        horizon, whole = self.settings.horizon, series.known_values
        naive = np.array(data.facts.naive_errors[name])
        train_end, season = data.parts[name].train_end, data.facts.season
        scaling = data.facts.scalings[name]
        units = scaling.location.astype(np.float64), scaling.scale.astype(np.float64)
        beside = baseline_forecasts(whole, train_end, origins, season, horizon)
        for number, row in enumerate(origins):
            truth = whole[row : row + horizon]
            made = {"": paths[number]} | {label: of(number) for label, of in beside.items()}
            for label, own in made.items():
                self.overall[label].add(own, truth, naive, *units)
                self.by_step[label].add(own, truth)

    def add_intervals(
        self,
        series: PreparedSeries,
        origins: NDArray[np.int64],
        paths: NDArray[np.float64],
        shifts: NDArray[np.float64],
    ) -> None:
        """Compare the intervals of the forecasts of one series, before and after calibration."""
        assert self.intervals is not None
        whole = series.known_values
        for row, own in zip(origins, paths, strict=True):
            quantiles = np.quantile(own, self.settings.quantiles, axis=0)
            truth = whole[row : row + self.settings.horizon]
            self.intervals.add(quantiles, shifted(quantiles, shifts), truth)

    def figures(self) -> dict[str, Any]:
        """The run's own by their names, each baseline's under its name; None where missing."""
        found: dict[str, Any] = {label: judge.figures() for label, judge in self.overall.items()}
        own = {**found.pop(""), **found, **dict.fromkeys(self.missing)}
        if self.intervals is None:
            return own
        intervals = self.intervals.figures()
        return {**own, "coverage": intervals["coverage"], "conformal": intervals}
