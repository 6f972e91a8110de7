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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.long_rows import LongRows, pieces
from ostinato.errors import MissingExtraError, missing_extra

Values = NDArray[np.float64]
_LEAST_VALUES = 10
"""statsmodels wants so many to begin with; a shorter series is forecast by its last value."""
_FITTED_SEASONS, _FITTED_STEPS = 8, 500
"""As many steps of the end of the training part are fitted, whichever are more."""
_SMOOTHED_STEPS = 1 << 18
"""So many are smoothed by statsmodels; those after them by the equations, row by row."""
_PATHS = 100


def missing_package() -> MissingExtraError | None:
    """Why there is no exponential smoothing, or None where there is."""
    try:
        import statsmodels.tsa.exponential_smoothing.ets  # noqa: F401
    except ImportError:
        return missing_extra("statsmodels", "baselines")
    return None


def smoothing_forecasts(
    whole: LongRows,
    train_end: int,
    origins: Sequence[int] | NDArray[Any],
    season: int,
    horizon: int,
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
    rows = np.asarray(origins)
    columns = [
        _forecasts(_Gapless(whole, target, season), train_end, rows, season, horizon)
        for target in range(whole.shape[1])
    ]
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
class _Gapless:
    """A target of a series without gaps, which is walked from its first row on."""

    whole: LongRows
    target: int
    season: int

    def pieces(self, first: int, stop: int) -> Iterator[Values]:
        """The rows [first, stop), some at a time."""
        carried, passed = np.zeros(0), 0
        for piece in pieces(self.whole, 0, stop):
            column = np.concatenate([carried, piece[:, self.target]])
            filled = without_gaps(column, self.season)
            yield filled[len(carried) + max(0, first - passed) :]
            carried, passed = filled[-self.season :], passed + len(piece)

    def rows(self, first: int, stop: int) -> Values:
        """The rows [first, stop), all at once."""
        return np.concatenate(list(self.pieces(first, stop)))

    def at(self, rows: NDArray[Any]) -> Values:
        """The values at rows that rise."""
        found, passed = [], 0
        for piece in self.pieces(0, int(rows.max()) + 1):
            here = rows[(rows >= passed) & (rows < passed + len(piece))]
            found.append(piece[here - passed])
            passed += len(piece)
        return np.concatenate(found)


@dataclass(frozen=True)
class _Fitted:
    """States after each step of a smoothed series, and the deviation at each step ahead."""

    level: Values
    trend: Values
    season: Values | None
    damping: float
    smoothing: tuple[float, float, float]
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
    series: _Gapless, train_end: int, origins: NDArray[Any], season: int, horizon: int
) -> Values:
    steps = max(_FITTED_SEASONS * season, _FITTED_STEPS)
    first = max(0, train_end - steps)
    training = series.rows(first, train_end)
    if len(training) < _LEAST_VALUES or np.ptp(training) == 0:
        points = np.repeat(series.at(origins - 1)[:, None], horizon, 1)
        return np.repeat(points[:, None], _PATHS, 1)
    season = season if len(training) >= 2 * season else 1
    end = int(origins.max())
    near = min(end, first + _SMOOTHED_STEPS)
    fitted = _smoothed(training, series.rows(first, near), season, horizon)
    means = [fitted.mean(row - 1 - first, horizon, season) for row in origins if row <= near]
    if near < end:
        later = set(origins[origins > near].tolist())
        means += _means_further(fitted, series.pieces(near, end), near, later, season, horizon)
    means = np.stack(means)
    return means[:, None] + _normal_quantiles()[:, None] * fitted.deviation


def _smoothed(training: Values, series: Values, season: int, horizon: int) -> _Fitted:
    """Fit on the training part, then read the whole with these parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that ends at its bounds
        parameters = _model(training, season).fit(disp=False, maxiter=100).params
        found = _model(series, season).smooth(parameters)
        ahead = found.get_prediction(start=len(series), end=len(series) + horizon - 1)
    named = dict(zip(found.model.param_names, found.params, strict=False))
    names = ("smoothing_level", "smoothing_trend", "smoothing_seasonal")
    alpha, beta, gamma = (float(named.get(name, 0.0)) for name in names)
    damping = named["damping_trend"]
    return _Fitted(
        np.asarray(found.level),
        np.asarray(found.slope),
        np.asarray(found.season) if season > 1 else None,
        float(damping),
        (alpha, beta, gamma),
        np.sqrt(np.maximum(np.asarray(ahead.forecast_variance), 0.0)),
    )


def _means_further(
    fitted: _Fitted,
    pieces: Iterator[Values],
    first: int,
    origins: set[int],
    season: int,
    horizon: int,
) -> list[Values]:
    """Forecasts of further rows, of which few are held at a time: the equations, row by row.

    Args:
        fitted: its last states are those before row `first`.
        pieces: the rows from there on.
        first: the first of them.
        origins: rows that forecasts begin at, all behind `first`.
        season, horizon: steps.
    """
    alpha, beta, gamma = fitted.smoothing
    phi = fitted.damping
    level, trend = float(fitted.level[-1]), float(fitted.trend[-1])
    seasons = [0.0] if fitted.season is None else fitted.season[-season:].tolist()
    place, row, found = 0, first, []
    for piece in pieces:
        for value in piece.tolist():
            expected = level + phi * trend
            error = value - expected - seasons[place]
            level, trend = expected + alpha * error, phi * trend + beta * error
            seasons[place] += gamma * error
            place, row = (place + 1) % len(seasons), row + 1
            if row in origins:
                damped = np.cumsum(phi ** np.arange(1, horizon + 1))
                turned = np.array(seasons[place:] + seasons[:place])
                found.append(level + damped * trend + np.resize(turned, horizon))
    return found


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
