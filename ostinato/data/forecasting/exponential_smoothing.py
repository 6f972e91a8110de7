"""Exponential smoothing with a damped trend and a season, fitted by statsmodels.

    y_t = l_{t-1} + phi b_{t-1} + s_{t-m} + e_t
    l_t = l_{t-1} + phi b_{t-1} + alpha e_t         level
    b_t = phi b_{t-1} + beta e_t                    trend
    s_t = s_{t-m} + gamma e_t                       season of m steps

Parameters are fitted on the end of the training part and stay; from there on the equations above
are walked row by row to where a forecast begins. What is expected h steps ahead has the variance

    sigma^2 (1 + sum over j from 1 to h - 1 of c_j^2)
    c_j = alpha + beta (phi + phi^2 + ... + phi^j) + gamma [j is a multiple of m]

where sigma^2 is the mean of e_t^2 from the first row that was fitted to the last before the
forecast. Without the season where m is 1 or the training part holds less than two seasons.
Source: Hyndman 2008, chapter 2, ETS(A, Ad, A), and table 6.1.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.long_rows import LongRows, pieces
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
        origins: rows that forecasts begin at, each knowing the rows before it; they rise, and none
            comes before `train_end`.
        season: in steps.
        horizon: steps.

    Raises:
        MissingExtraError: statsmodels is not installed.
        ValueError: an origin within the rows to fit on, or origins that do not rise.
    """
    problem = missing_package()
    if problem is not None:
        raise problem
    rows = np.asarray(origins)
    if rows[0] < train_end or (np.diff(rows) <= 0).any():
        raise ValueError(f"origins must rise from {train_end} on, not be {rows.tolist()}")
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
            # A copy: even an empty part of what was filled would keep all of it.
            yield filled[len(carried) + max(0, first - passed) :].copy()
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


class _Smoothing(NamedTuple):
    """Where smoothing stands after a row.

    Attributes:
        level, trend: l and b.
        seasons: s of the last m steps, the earliest first; (0,) without a season.
        alpha, beta, gamma, phi: as fitted.
        squares: the sum of e^2 of all rows until here.
        count: of these rows.
    """

    level: float
    trend: float
    seasons: tuple[float, ...]
    alpha: float
    beta: float
    gamma: float
    phi: float
    squares: float
    count: int

    def paths(self, horizon: int) -> Values:
        """Quantiles of what is expected next: (paths, horizon)."""
        damped = np.cumsum(self.phi ** np.arange(1, horizon + 1))
        mean = self.level + damped * self.trend + np.resize(self.seasons, horizon)
        again = np.arange(1, horizon) % len(self.seasons) == 0
        moved = self.alpha + self.beta * damped[:-1] + self.gamma * again
        variance = np.cumsum([1.0, *moved**2]) * self.squares / self.count
        return mean + _normal_quantiles()[:, None] * np.sqrt(variance)


def _forecasts(
    series: _Gapless, train_end: int, origins: NDArray[Any], season: int, horizon: int
) -> Values:
    steps = max(_FITTED_SEASONS * season, _FITTED_STEPS)
    training = series.rows(max(0, train_end - steps), train_end)
    if len(training) < _LEAST_VALUES or np.ptp(training) == 0:
        points = np.repeat(series.at(origins - 1)[:, None], horizon, 1)
        return np.repeat(points[:, None], _PATHS, 1)
    fitted = _fitted(training, season if len(training) >= 2 * season else 1)
    further = series.pieces(train_end, int(origins[-1]))
    places = set((origins - train_end).tolist())
    return np.stack([one.paths(horizon) for one in _walked(fitted, further, places)])


def _fitted(training: Values, season: int) -> _Smoothing:
    """What statsmodels finds on the training part, after its last row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that ends at its bounds
        found = _model(training, season).fit(disp=False, maxiter=100)
    named = dict(zip(found.model.param_names, found.params, strict=False))
    names = ("smoothing_level", "smoothing_trend", "smoothing_seasonal", "damping_trend")
    alpha, beta, gamma, phi = (float(named.get(name, 0.0)) for name in names)
    errors = np.asarray(found.resid)
    return _Smoothing(
        float(np.asarray(found.level)[-1]),
        float(np.asarray(found.slope)[-1]),
        tuple(np.asarray(found.season)[-season:].tolist()) if season > 1 else (0.0,),
        alpha,
        beta,
        gamma,
        phi,
        float(np.square(errors).sum()),
        len(errors),
    )


def _walked(fitted: _Smoothing, pieces: Iterator[Values], places: set[int]) -> Iterator[_Smoothing]:
    """Where smoothing stands after so many further rows, for each of some numbers of rows.

    Args:
        fitted: where it stands before them.
        pieces: the rows, of which few are held at a time.
        places: the numbers; 0 is before the first.
    """
    level, trend, seasons, alpha, beta, gamma, phi, squares, count = fitted
    turning, place, read = list(seasons), 0, 0
    if 0 in places:
        yield fitted
    for piece in pieces:
        for value in piece.tolist():
            expected = level + phi * trend
            error = value - expected - turning[place]
            level, trend = expected + alpha * error, phi * trend + beta * error
            turning[place] += gamma * error
            place, read = (place + 1) % len(turning), read + 1
            squares += error * error
            if read in places:
                in_order = (*turning[place:], *turning[:place])
                yield fitted._replace(
                    level=level,
                    trend=trend,
                    seasons=in_order,
                    squares=squares,
                    count=count + read,
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
