"""Pictures of forecasts, and of what a backtest found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.data.forecasting.by_step import NOMINAL
from ostinato.data.forecasting.grid import Grid
from ostinato.errors import SettingsError
from ostinato.tasks.forecasting.calibration import Shifts
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.evaluation import Backtest, BacktestWindow
from ostinato.tasks.forecasting.series_forecast import SeriesForecast
from ostinato.xray.forecast_quality import draw_coverage, draw_errors
from ostinato.xray.forecasts import MOST_DATES, Fan, draw_forecasts

NAMES = {
    "": "this run",
    "last_value": "last value",
    "seasonal_naive": "seasonal naive",
    "exponential_smoothing": "exponential smoothing",
}
_MOST_DRAWN = 4
_HORIZONS, _STEPS = 10, 100
"""Of history are drawn; a forecast could not be seen behind two seasons of many steps."""


def draw(
    forecasts: Sequence[SeriesForecast],
    levels: tuple[float, ...],
    picture: Path,
    grid: Grid,
    truths: Sequence[Any] | None = None,
) -> None:
    """Draw forecasts after their history; of many, the first four panels.

    Args:
        forecasts: one or more.
        levels: the run's quantiles.
        picture: the PNG file to write.
        grid: what dates the steps have.
        truths: what came, (horizon, targets) for each. None: nobody knows.

    Raises:
        SettingsError: the picture's name does not end in .png.
    """
    if picture.suffix.lower() != ".png":
        raise SettingsError(f"--figure writes PNG: name it OUT.png, not {picture.name}")
    shown = [_with_less_history(one) for one in forecasts]
    fans = [
        Fan(
            " ".join(part for part in (one.series, target) if part) + f", from {one.times[0]} on",
            one.history[:, place],
            one.quantiles(levels)[:, :, place],
            np.median(one.paths[:, :, place], 0),
            None if truths is None else truths[number][:, place],
            _labels_before(one.start, grid) if grid.dated else None,
            _ticks(one, grid),
        )
        for place, target in enumerate(shown[0].targets)
        for number, one in enumerate(shown)
    ]
    draw_forecasts(fans[:_MOST_DRAWN], levels, picture)


def _with_less_history(one: SeriesForecast) -> SeriesForecast:
    shown = max(_HORIZONS * len(one.times), _STEPS)
    return replace(one, history=one.history[-shown:])


def _labels_before(start: int, grid: Grid) -> Callable[[int], str]:
    """The date of each step, counted from the last before `start`."""
    return lambda step: grid.label(start - 1 + step)


def _ticks(one: SeriesForecast, grid: Grid) -> list[int]:
    """The round steps of a panel, counted as its labels are."""
    last_read = one.start - 1
    first, last = one.start - len(one.history), last_read + len(one.times)
    return [step - last_read for step in grid.round_steps(first, last, MOST_DATES)]


def draw_backtest(found: Backtest, folder: Path) -> None:
    """Write by-step.png and, unless points were forecast, coverage.png into a folder."""
    judges = {NAMES[label]: judge for label, judge in found.by_step.items()}
    draw_errors({name: judge.mean_errors for name, judge in judges.items()}, folder / "by-step.png")
    curves: Mapping[str, Any] = {
        name: judge.coverage for name, judge in judges.items() if judge.coverage is not None
    }
    if NAMES[""] in curves:
        draw_coverage(NOMINAL, curves, folder / "coverage.png")


def backtest_forecasts(
    shown: Sequence[BacktestWindow], data: ForecastData, shifts: Shifts | None, kept: int
) -> tuple[list[SeriesForecast], list[Any]]:
    """Forecasts of a backtest in the units of the table, and what came.

    Args:
        shown: the forecasts.
        data: the run's own table.
        shifts: that calibrate the quantiles. None: none do.
        kept: steps of the history before each.
    """
    forecasts, truths = [], []
    for one in shown:
        series, scaling = data.series[one.series], data.facts.scalings[one.series]
        horizon = one.paths.shape[1]
        steps = range(series.start + one.row, series.start + one.row + horizon)
        forecasts.append(
            SeriesForecast(
                one.series,
                steps.start,
                [data.facts.grid.label(step) for step in steps],
                data.facts.columns.targets,
                one.paths * scaling.scale + scaling.location,
                series.values[max(0, one.row - kept) : one.row],
                None if shifts is None else shifts[one.series] * scaling.scale,
            )
        )
        truths.append(series.values[one.row : one.row + horizon])
    return forecasts, truths
