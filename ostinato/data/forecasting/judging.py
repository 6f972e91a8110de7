"""How good forecasts are: points, paths and intervals against what came.

MSE, MAE   of standardised values (mean and deviation of the training part, as the literature
           has it): MSE of the mean, MAE of the median of the paths
MASE       mean absolute error over that of the seasonal naive forecast, one season ahead, on
           the training part (Hyndman 2006)
sMAPE      200 |y - f| / (|y| + |f|) of the median f, in the units of the table, in per cent; 0
           where both are 0 (Makridakis 2020, the M4 competition)
CRPS       E|X - y| - E|X - X'| / 2 over the paths X, of standardised values (Gneiting 2007);
           of a single path it is the absolute error
coverage   share of values between the least and the greatest quantile asked for
"""

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.long_rows import LongRows, pieces

Values = NDArray[np.float64]
_FIGURES = ("mse", "mae", "mase", "smape", "crps", "coverage")


def crps(paths: Values, truth: Values) -> Values:
    """The continuous ranked probability score of each value.

    Args:
        paths: (paths, ...), equally likely.
        truth: (...).

    Returns:
        (...), in the units of the values; 0 is the best.

    Source: Gneiting 2007, equation 21; the second term by sorting.
    """
    count = len(paths)
    ordered = np.sort(paths, 0)
    weights = (2 * np.arange(1, count + 1) - count - 1).reshape(-1, *[1] * truth.ndim)
    return np.abs(paths - truth).mean(0) - (weights * ordered).sum(0) / count**2


def naive_error(training: LongRows, season: int) -> Values:
    """Mean absolute difference to the value a season before: (targets,); NaN where not known.

    Args:
        training: (time, targets), NaN where missing; shorter than two seasons: one step before.
        season: in steps.
    """
    season = season if len(training) >= 2 * season else 1
    total, count = np.zeros(training.shape[1]), np.zeros(training.shape[1], np.int64)
    for piece in pieces(training, season, before=season):
        later = piece[season:].astype(np.float64)
        apart = np.abs(later - piece[: len(later)])
        seen = ~np.isnan(apart)
        total += np.where(seen, apart, 0.0).sum(0)
        count += seen.sum(0)
    return np.where((count > 0) & (total > 0), total / np.maximum(count, 1), np.nan)


def symmetric_percentage_error(forecast: Values, truth: Values) -> Values:
    """sMAPE of each value, in per cent: from 0 to 200; NaN where the truth is.

    Example:
        >>> symmetric_percentage_error(np.array([3.0, 0.0]), np.array([1.0, 0.0])).tolist()
        [100.0, 0.0]
    """
    size = np.abs(truth) + np.abs(forecast)
    return 200 * np.abs(truth - forecast) / np.where(size == 0, 1.0, size)


class Judge:
    """Adds forecasts up; `figures` says what came of them.

    Args:
        quantiles: the least and the greatest bound the interval of `coverage`.
    """

    def __init__(self, quantiles: tuple[float, ...]) -> None:
        self.bounds = min(quantiles), max(quantiles)
        self.sums = np.zeros(len(_FIGURES))
        self.counts = np.zeros(len(_FIGURES))

    def add(
        self, paths: Values, truth: Values, naive: Values, location: Values, scale: Values
    ) -> None:
        """Take a forecast.

        Args:
            paths: (paths, horizon, targets), standardised.
            truth: (horizon, targets), standardised; NaN where nobody knows.
            naive: (targets,), the error that MASE is in, standardised; NaN where not known.
            location, scale: (targets,), what standardised values are times and plus in units.
        """
        median = np.median(paths, 0)
        error = np.abs(median - truth)
        low, high = np.quantile(paths, self.bounds, axis=0)
        each = (
            (paths.mean(0) - truth) ** 2,
            error,
            error / naive,
            symmetric_percentage_error(median * scale + location, truth * scale + location),
            crps(paths, truth),
            # A point has no interval.
            np.where(np.isnan(truth) | (len(paths) == 1), np.nan, (truth >= low) & (truth <= high)),
        )
        for place, values in enumerate(each):
            there = ~np.isnan(values)
            self.sums[place] += values[there].sum()
            self.counts[place] += there.sum()

    def figures(self) -> dict[str, float | None]:
        """Means of all, by name; None where there was nothing to judge."""
        return {
            name: float(total / count) if count else None
            for name, total, count in zip(_FIGURES, self.sums, self.counts, strict=True)
        }
