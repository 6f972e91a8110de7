"""How strange each new value was to a forecaster that had read all values before it.

What is expected of a value one step before it comes is a distribution (of an autoregressive model),
quantiles with a distribution laid through them, or a point: then the errors that the model made on
the validation part tell what is strange, and nothing has a density.
"""

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ostinato.data.forecasting.ranks import conformal_p_values
from ostinato.models.forecaster import AutoregressiveForecaster
from ostinato.models.piecewise_linear import PiecewiseLinear
from ostinato.models.tails import tail_probability
from ostinato.models.windowed_forecaster import WindowedForecaster
from ostinato.tasks.forecasting.folder import Facts
from ostinato.tasks.forecasting.reading import Forecaster


@dataclass(frozen=True)
class ScoredValue:
    """One value that came, and what was expected of it, one step ahead.

    Args:
        series, time, target: where it is of.
        value: what came, in the units of the table.
        expected: the mean of what was expected.
        tail_probability: how probable it was that something as far out would come, on either
            side: 0.001 is once in a thousand values, if the forecaster is right about itself.
        nats: minus the logarithm of the density there, of standardised values; NaN where a point
            was expected.
    """

    series: str
    time: str
    target: str
    value: float
    expected: float
    tail_probability: float
    nats: float


def needs_residuals(model: Forecaster) -> bool:
    """Whether what the model expects says nothing of how far off it may be."""
    return isinstance(model, WindowedForecaster) and len(model.levels) == 1


@final
class Scores:
    """Hears what `read_on` reads of a series, and scores each value that was seen.

    Args:
        model: the forecaster.
        facts: of the run.
        name: of the series.
        start: the step of its first row.
        residuals: of the series (values, targets), standardised; read where they are needed.
    """

    def __init__(
        self,
        model: Forecaster,
        facts: Facts,
        name: str,
        start: int,
        residuals: NDArray[np.float64] | None = None,
    ) -> None:
        self.model, self.facts, self.name, self.step = model, facts, name, start
        self.residuals = residuals
        self.values: list[ScoredValue] = []

    def __call__(self, expected: Tensor, values: Tensor, seen: Tensor) -> None:
        """Take the next rows: what was expected, values and seen of a batch of one."""
        judged = self._judge(expected, values, seen)
        came, centre = self._units(_numbers(values)), self._units(judged.expected)
        for row, place in np.argwhere(seen[0].cpu().numpy()):
            at = int(row), int(place)
            self.values.append(
                ScoredValue(
                    self.name,
                    self.facts.grid.label(self.step + at[0]),
                    self.facts.columns.targets[at[1]],
                    float(came[at]),
                    float(centre[at]),
                    float(judged.tails[at]),
                    float(judged.nats[at]),
                )
            )
        self.step += seen.shape[1]

    def _judge(self, expected: Tensor, values: Tensor, seen: Tensor) -> "_Judged":
        model, came = self.model, _numbers(values)
        if isinstance(model, AutoregressiveForecaster):
            distribution = model.head.of(expected)
            nats = model.loss(expected, values, seen)
            tails = tail_probability(distribution, values)[0]
            return _Judged(_numbers(distribution.mean), tails, _numbers(nats))
        centre = _numbers(model.equally_likely(expected).mean(1))
        if not needs_residuals(model):
            through = PiecewiseLinear(_numbers(expected), model.levels)
            return _Judged(centre, through.tail_probability(came), through.nats(came))
        assert self.residuals is not None
        tails = conformal_p_values(came - centre, self.residuals)
        return _Judged(centre, tails, np.full(came.shape, np.nan))

    def _units(self, standardised: NDArray[np.float64]) -> NDArray[np.float64]:
        scaling = self.facts.scalings[self.name]
        return standardised * scaling.scale.astype(np.float64) + scaling.location


class _Judged(NamedTuple):
    """(time, targets) each."""

    expected: NDArray[np.float64]
    tails: NDArray[np.float64]
    nats: NDArray[np.float64]


def _numbers(of_one: Tensor) -> NDArray[np.float64]:
    return of_one[0].double().cpu().numpy()
