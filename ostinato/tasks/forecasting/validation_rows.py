"""Which rows of the validation part a forecaster is tried from, to learn what it is off by."""

import numpy as np
from numpy.typing import NDArray

from ostinato.tasks.forecasting.data import ForecastData


def validation_rows(
    data: ForecastData, name: str, horizon: int, most: int, *, before: int = 0
) -> NDArray[np.int64]:
    """Rows to forecast from, spread evenly over the validation part of a series.

    Args:
        data: the run's own table.
        name: of the series.
        horizon: steps, whose covariates are all known.
        most: rows.
        before: they begin so many rows before the part, whose own are then in their horizon.
    """
    part = data.parts[name]
    first = max(1, part.train_end - before)
    # The covariates of a whole horizon are known up to the end of the series.
    last = min(part.validation_end - 1, len(data.series[name].values) - horizon)
    if part.validation_end == part.train_end or last < first:
        return np.zeros(0, dtype=np.int64)
    count = min(most, last - first + 1)
    return np.unique(np.linspace(first, last, count).round().astype(np.int64))
