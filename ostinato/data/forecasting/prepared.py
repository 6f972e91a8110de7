"""A series as a net reads it: standardised, with what was seen, and what is known of every step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.grid import Grid
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

    values: NDArray[np.float32]
    seen: NDArray[np.bool_]
    covariates: NDArray[np.float32]


def prepare_series(
    series: Series,
    grid: Grid,
    scaling: Scaling,
    known_scaling: Scaling,
    static: NDArray[np.float32],
    *,
    horizon: int,
) -> PreparedSeries:
    """Standardise a series and put its covariates together.

    Args:
        series: in the person's units.
        grid: where its steps lie.
        scaling: of its targets.
        known_scaling: of the known columns.
        static: features of the series, the same at every step.
        horizon: steps after the last value that covariates are made for, too, where no known
            columns are needed.
    """
    seen = ~np.isnan(series.values)
    values = np.where(seen, (series.values - scaling.location) / scaling.scale, 0.0)
    covariates = _covariates(series, grid, known_scaling, horizon)
    constant = np.broadcast_to(static, (len(covariates), len(static)))
    return PreparedSeries(
        values.astype(np.float32), seen, np.concatenate([covariates, constant], 1)
    )


def _covariates(series: Series, grid: Grid, scaling: Scaling, horizon: int) -> NDArray[np.float32]:
    """Calendar, then each known column standardised, then whether each is known."""
    known = series.known
    if known.shape[1] == 0:
        known = np.zeros((len(series.values) + horizon, 0), dtype=np.float32)
    calendar = grid.calendar(series.start + np.arange(len(known), dtype=np.int64))
    there = ~np.isnan(known)
    scaled = np.where(there, (known - scaling.location) / scaling.scale, 0.0)
    return np.concatenate([calendar, scaled, there], 1).astype(np.float32)
