"""Exponential smoothing with a damped trend and a season, fitted by statsmodels.

    y_t = l_{t-1} + phi b_{t-1} + s_{t-m} + e_t
    l_t = l_{t-1} + phi b_{t-1} + alpha e_t         level
    b_t = phi b_{t-1} + beta e_t                    trend
    s_t = s_{t-m} + gamma e_t                       season of m steps

Parameters are fitted on the end of the training part and stay; the states are smoothed up to where
a forecast begins. Source: Hyndman 2008, chapter 2, ETS(A, Ad, A); without the season where m is 1
or the training part holds less than two seasons.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import MissingExtraError, missing_extra

Values = NDArray[np.float64]
_LEAST_VALUES = 10
"""statsmodels wants so many to begin with; a shorter series is forecast by its last value."""
_FITTED_SEASONS, _FITTED_STEPS = 8, 500
"""As many steps of the end of the training part are fitted, whichever are more."""
_PATHS = 100


def missing_package() -> MissingExtraError | None:
    """Why there is no exponential smoothing, or None where there is."""
    try:
        import statsmodels.tsa.exponential_smoothing.ets  # noqa: F401
    except ImportError:
        return missing_extra("statsmodels", "baselines")
    return None


def smoothing_forecasts(
    whole: Values, train_end: int, origins: Sequence[int] | NDArray[Any], season: int, horizon: int
) -> Values:
    """Forecasts of every target from some places: (origins, paths, horizon, targets).

    The paths of a step are evenly spread quantiles of its normal distribution. A missing value is
    taken to be the one a season before it, else the last seen: this baseline knows no gaps.

    Args:
        whole: (time, targets), NaN where missing.
        train_end: rows to fit on.
        origins: rows that forecasts begin at, each knowing the rows before it.
        season: in steps.
        horizon: steps.

    Raises:
        MissingExtraError: statsmodels is not installed.
    """
    problem = missing_package()
    if problem is not None:
        raise problem
    columns = []
    for target in range(whole.shape[1]):
        series = without_gaps(whole[:, target], season)
        columns.append(_forecasts(series, train_end, np.asarray(origins), season, horizon))
    return np.stack(columns, -1)


def without_gaps(series: Values, season: int) -> Values:
    """A series with each missing value as the one a season before, else the last seen; else 0."""
    filled, last = series.copy(), 0.0
    for place in np.flatnonzero(np.isnan(series)):
        before = place - season
        if before >= 0:
            filled[place] = filled[before]
        else:
            filled[place] = filled[place - 1] if place else last
    return filled


@dataclass(frozen=True)
class _Fitted:
    """States after each step of a smoothed series, and the deviation at each step ahead."""

    level: Values
    trend: Values
    season: Values | None
    damping: float
    deviation: Values

    def mean(self, place: int, horizon: int, season: int) -> Values:
        """The forecast after step `place`."""
        damped = np.cumsum(self.damping ** np.arange(1, horizon + 1))
        mean = self.level[place] + damped * self.trend[place]
        if self.season is None:
            return mean
        last = self.season[place + 1 - season : place + 1]
        return mean + np.resize(last, horizon)


def _forecasts(
    series: Values, train_end: int, origins: NDArray[Any], season: int, horizon: int
) -> Values:
    steps = max(_FITTED_SEASONS * season, _FITTED_STEPS)
    first = max(0, train_end - steps)
    training = series[first:train_end]
    if len(training) < _LEAST_VALUES or np.ptp(training) == 0:
        points = np.repeat(series[origins - 1][:, None], horizon, 1)
        return np.repeat(points[:, None], _PATHS, 1)
    season = season if len(training) >= 2 * season else 1
    end = int(origins.max())
    fitted = _smoothed(training, series[first:end], season, horizon)
    means = np.stack([fitted.mean(row - 1 - first, horizon, season) for row in origins])
    return means[:, None] + _normal_quantiles()[:, None] * fitted.deviation


def _smoothed(training: Values, series: Values, season: int, horizon: int) -> _Fitted:
    """Fit on the training part, then read the whole with these parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that ends at its bounds
        parameters = _model(training, season).fit(disp=False, maxiter=100).params
        found = _model(series, season).smooth(parameters)
        ahead = found.get_prediction(start=len(series), end=len(series) + horizon - 1)
    damping = dict(zip(found.model.param_names, found.params, strict=False))["damping_trend"]
    return _Fitted(
        np.asarray(found.level),
        np.asarray(found.slope),
        np.asarray(found.season) if season > 1 else None,
        float(damping),
        np.sqrt(np.maximum(np.asarray(ahead.forecast_variance), 0.0)),
    )


def _model(series: Values, season: int) -> Any:
    import pandas
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    return ETSModel(
        pandas.Series(series),
        error="add",
        trend="add",
        damped_trend=True,
        seasonal="add" if season > 1 else None,
        seasonal_periods=season if season > 1 else None,
        initialization_method="heuristic",
    )


def _normal_quantiles() -> Values:
    import torch

    levels = (torch.arange(_PATHS, dtype=torch.double) + 0.5) / _PATHS
    return torch.special.ndtri(levels).numpy()
