"""Coverage and width of the outer interval, as it was forecast and as it is calibrated."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class IntervalJudge:
    """Adds intervals up; `figures` says what came of them."""

    def __init__(self) -> None:
        self.inside, self.width = np.zeros(2), np.zeros(2)
        self.count = 0

    def add(self, forecast: Values, calibrated: Values, truth: Values) -> None:
        """Take a forecast.

        Args:
            forecast, calibrated: quantiles (levels, horizon, targets).
            truth: (horizon, targets), NaN where nobody knows.
        """
        there = ~np.isnan(truth)
        self.count += int(there.sum())
        for place, quantiles in enumerate((forecast, calibrated)):
            low, high = quantiles[0], quantiles[-1]
            self.inside[place] += ((truth >= low) & (truth <= high)).sum()
            self.width[place] += (high - low)[there].sum()

    def figures(self) -> dict[str, float | None]:
        """Coverage and mean width, standardised, with and without calibration."""
        count = self.count or np.nan
        values = [*(self.inside / count), *(self.width / count)]
        names = ("coverage_before", "coverage", "width_before", "width")
        return {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, values, strict=True)
        }
