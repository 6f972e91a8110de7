"""The forecast of one series, in a person's units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.conformal import shifted


@dataclass(frozen=True)
class SeriesForecast:
    """The forecast of one series, in the units of the table.

    Args:
        series: its name, empty where there is only one.
        start: the step of the run's grid that the forecast begins at.
        times: time stamps of the steps.
        targets: names of the columns.
        paths: (samples, horizon, targets), equally likely.
        history: (time, targets), the last values before.
        shifts: (levels, horizon, targets), what calibrates the run's quantiles. None: these are
            those of the paths.
    """

    series: str
    start: int
    times: list[str]
    targets: tuple[str, ...]
    paths: NDArray[np.float64]
    history: NDArray[np.float32]
    shifts: NDArray[np.float64] | None = None

    @property
    def mean(self) -> NDArray[np.float64]:
        """(horizon, targets)."""
        return self.paths.mean(0)

    def quantiles(self, levels: tuple[float, ...]) -> NDArray[np.float64]:
        """(levels, horizon, targets); NaN where points were forecast.

        Args:
            levels: where the quantiles are calibrated, those of the run.
        """
        if len(self.paths) == 1:
            return np.full((len(levels), *self.paths.shape[1:]), np.nan)
        quantiles = np.quantile(self.paths, levels, axis=0)
        return quantiles if self.shifts is None else shifted(quantiles, self.shifts)
