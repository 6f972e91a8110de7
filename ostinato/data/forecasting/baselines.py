"""Forecasts that cost nothing: the last value seen, and the value a season ago.

Their spread is what they were off by on the training part, at each step of the horizon.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.long_rows import LongRows

Values = NDArray[np.float64]
Baseline = Callable[[Values, int], Values]
SEASONS = 4
"""So far back the seasonal naive forecast looks for a value that was seen."""
_LOOKED_AT = 64
"""Rows that are looked at for the last value; more where there is none among them."""
_ORIGINS = 100
"""Places of the training part that say how far off a baseline is."""


def last_value(history: Values, horizon: int) -> Values:
    """The last value seen of each target, for every step: (horizon, targets).

    Args:
        history: (time, targets), NaN where missing.
        horizon: steps.
    """
    return np.repeat(_last_seen(history)[None], horizon, 0)


def seasonal_naive(season: int) -> Baseline:
    """The forecaster that repeats the last `season` steps.

    Where one is missing it takes that of a season before, up to `SEASONS` back, else the last seen.
    """

    def forecast(history: Values, horizon: int) -> Values:
        if len(history) < season:
            return last_value(history, horizon)
        latest = history[-season:]
        for back in range(2, min(SEASONS, len(history) // season) + 1):
            before = history[-back * season : (1 - back) * season]
            latest = np.where(np.isnan(latest), before, latest)
        repeated = np.resize(latest, (horizon, history.shape[1]))
        return np.where(np.isnan(repeated), _last_seen(history), repeated)

    return forecast


def errors_in_training(baseline: Baseline, training: LongRows, season: int, horizon: int) -> Values:
    """How far off it was: (origins, horizon, targets); 0 where nothing is known.

    Args:
        baseline: whose errors.
        training: (time, targets), the training part.
        season: at least so many steps lie before an origin.
        horizon: steps ahead.
    """
    last = len(training) - horizon
    first = min(season, last)
    if first < 1:
        return np.zeros((1, horizon, training.shape[1]))
    origins = np.unique(np.linspace(first, last, _ORIGINS).astype(int))
    apart = [
        training[o : o + horizon] - baseline(history_before(training, o, season), horizon)
        for o in map(int, origins)
    ]
    return np.nan_to_num(np.stack(apart))


def history_before(whole: LongRows, row: int, season: int) -> Values:
    """As many rows before a row as a baseline looks at: some seasons, and a value of each target.

    Args:
        whole: (time, targets), NaN where missing.
        row: where a forecast begins.
        season: in steps.
    """
    kept = max(SEASONS * season, _LOOKED_AT)
    while kept < row:
        history = whole[row - kept : row]
        if not np.isnan(history).all(0).any():
            return history
        kept *= 2
    return whole[:row]


def _last_seen(history: Values) -> Values:
    """The last value of each target that is not missing; 0 before the first."""
    if len(history) and not np.isnan(history[-1]).any():
        return history[-1]
    seen = ~np.isnan(history)
    rows = len(history) - 1 - seen[::-1].argmax(0)
    return np.where(seen.any(0), history[rows, np.arange(history.shape[1])], 0.0)
