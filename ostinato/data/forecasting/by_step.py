"""How good forecasts are at each step of the horizon, and whether they are as sure as they say.

A forecast is calibrated if what came lies in its central interval of share p as often as p says,
for every p: the rank of what came among the paths tells in which of the intervals it is.
"""

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.judging import crps

Values = NDArray[np.float64]
NOMINAL = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Shares of the central intervals whose coverage is counted."""


class StepJudge:
    """Adds forecasts up, step by step; targets and series together.

    Args:
        horizon: steps.
    """

    def __init__(self, horizon: int) -> None:
        self.errors = np.zeros(horizon)
        self.scores = np.zeros(horizon)
        self.counts = np.zeros(horizon)
        self.inside = np.zeros(len(NOMINAL))
        self.points = False

    def add(self, paths: Values, truth: Values) -> None:
        """Take a forecast; see `Judge.add`."""
        there = ~np.isnan(truth)
        known = np.where(there, truth, 0.0)
        self.errors += np.where(there, np.abs(np.median(paths, 0) - known), 0.0).sum(1)
        self.scores += np.where(there, crps(paths, known), 0.0).sum(1)
        self.counts += there.sum(1)
        self.points |= len(paths) == 1
        rank = ((paths < known).mean(0) + (paths <= known).mean(0)) / 2
        within = np.abs(2 * rank - 1)[there]
        self.inside += (within[:, None] <= np.array(NOMINAL)).sum(0)

    @property
    def mean_errors(self) -> Values:
        """Mean absolute error of the median at each step; NaN where nothing was judged."""
        return self.errors / np.where(self.counts, self.counts, np.nan)

    @property
    def mean_scores(self) -> Values:
        """Mean CRPS at each step."""
        return self.scores / np.where(self.counts, self.counts, np.nan)

    @property
    def coverage(self) -> Values | None:
        """The share of values in each interval of `NOMINAL`; None of points."""
        return None if self.points else self.inside / max(1.0, self.counts.sum())
