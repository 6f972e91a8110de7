"""The baselines that stand beside every forecaster, as paths."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.baselines import (
    errors_in_training,
    history_before,
    last_value,
    seasonal_naive,
)
from ostinato.data.forecasting.exponential_smoothing import missing_package, smoothing_forecasts
from ostinato.data.forecasting.long_rows import LongRows, rows_until

Values = NDArray[np.float64]
SMOOTHING = "exponential_smoothing"
BASELINES = ("last_value", "seasonal_naive", SMOOTHING)


def missing_baselines() -> dict[str, str]:
    """The baselines that cannot be computed here, and why."""
    problem = missing_package()
    return {} if problem is None else {SMOOTHING: str(problem)}


def baseline_forecasts(
    whole: LongRows, train_end: int, origins: NDArray[np.int64], season: int, horizon: int
) -> dict[str, Callable[[int], Values]]:
    """For each baseline that there is the paths (paths, horizon, targets) of forecast number i.

    Args:
        whole: (time, targets), NaN where missing.
        train_end: rows that a baseline learns its spread or its parameters from.
        origins: rows that forecasts begin at, each knowing the rows before it.
        season: in steps.
        horizon: steps.
    """
    found = {}
    for label, baseline in (("last_value", last_value), ("seasonal_naive", seasonal_naive(season))):
        errors = errors_in_training(baseline, rows_until(whole, train_end), season, horizon)
        found[label] = _around(whole, origins, baseline, errors, season)
    if SMOOTHING not in missing_baselines():
        paths = smoothing_forecasts(whole, train_end, origins, season, horizon)
        found[SMOOTHING] = paths.__getitem__
    return found


def _around(
    whole: LongRows,
    origins: NDArray[np.int64],
    baseline: Callable,
    errors: Values,
    season: int,
) -> Callable[[int], Values]:
    """The forecast with the errors of training, each to either side.

    Mean and median stay the forecast itself, so that MSE and MAE are those of the point.
    """
    spread = np.concatenate([errors, -errors])
    horizon = errors.shape[1]
    return lambda number: (
        baseline(history_before(whole, int(origins[number]), season), horizon) + spread
    )
