"""A series as a net reads it: standardised, with what was seen, and what is known of every step."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.grid import Grid
from ostinato.data.forecasting.long_rows import ComputedRows, LongRows
from ostinato.data.forecasting.series import Series
from ostinato.data.forecasting.splits import Scaling


@dataclass(frozen=True)
class PreparedSeries:
    """A series, standardised.

    Args:
        values: (time, targets), 0 where missing.
        seen: booleans (time, targets), False where missing.
        covariates: (time and later, covariates), of every step whose known columns are known.
    """

    values: LongRows
    seen: LongRows
    covariates: LongRows

    @property
    def known_values(self) -> LongRows:
        """(time, targets) in float64, NaN where missing."""
        between = partial(_known_values, self)
        count = len(self.values)
        if isinstance(self.values, ComputedRows):
            return ComputedRows(count, between)
        return between(0, count)


def prepare_series(
    series: Series,
    grid: Grid,
    scaling: Scaling,
    known_scaling: Scaling,
    static: NDArray[np.float32],
    *,
    horizon: int,
) -> PreparedSeries:
    """Standardise a series and put its covariates together: of one on disk when they are read.

    Args:
        series: in the person's units.
        grid: where its steps lie.
        scaling: of its targets.
        known_scaling: of the known columns.
        static: features of the series, the same at every step.
        horizon: steps after the last value that covariates are made for, too, where no known
            columns are needed.
    """
    steps = len(series.values)
    known = len(series.known) if series.known.shape[1] else steps + horizon
    computed = (
        (steps, partial(_values, series, scaling)),
        (steps, partial(_seen, series)),
        (known, partial(_covariates, series, grid, known_scaling, static)),
    )
    if isinstance(series.values, ComputedRows):
        return PreparedSeries(*(ComputedRows(count, between) for count, between in computed))
    return PreparedSeries(*(between(0, count) for count, between in computed))


def _values(series: Series, scaling: Scaling, first: int, stop: int) -> NDArray[np.float32]:
    values = series.values[first:stop]
    scaled = np.where(np.isnan(values), 0.0, (values - scaling.location) / scaling.scale)
    return scaled.astype(np.float32)


def _seen(series: Series, first: int, stop: int) -> NDArray[np.bool_]:
    return ~np.isnan(series.values[first:stop])


def _covariates(
    series: Series,
    grid: Grid,
    scaling: Scaling,
    static: NDArray[np.float32],
    first: int,
    stop: int,
) -> NDArray[np.float32]:
    """Calendar, then each known column standardised, then whether each is known; the static."""
    known = series.known[first:stop]
    if known.shape[1] == 0:
        known = np.zeros((stop - first, 0), dtype=np.float32)
    calendar = grid.calendar(series.start + np.arange(first, stop, dtype=np.int64))
    there = ~np.isnan(known)
    scaled = np.where(there, (known - scaling.location) / scaling.scale, 0.0)
    constant = np.broadcast_to(static, (stop - first, len(static)))
    return np.concatenate([calendar, scaled, there, constant], 1).astype(np.float32)


def _known_values(series: PreparedSeries, first: int, stop: int) -> NDArray[np.float64]:
    values = series.values[first:stop]
    return np.where(series.seen[first:stop], values, np.nan).astype(np.float64)
