"""How strange each new value was to a forecaster that had read all values before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ostinato.errors import SettingsError
from ostinato.models.forecaster import AutoregressiveForecaster
from ostinato.models.tails import tail_probability
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
        nats: minus the logarithm of the density there, of standardised values.
    """

    series: str
    time: str
    target: str
    value: float
    expected: float
    tail_probability: float
    nats: float


class Scores:
    """Hears what `read_on` reads of a series, and scores each value that was seen.

    Args:
        model: the forecaster.
        facts: of the run.
        name: of the series.
        start: the step of its first row.

    Raises:
        SettingsError: the model sees a horizon at once and has no density of a next value.
    """

    def __init__(self, model: Forecaster, facts: Facts, name: str, start: int) -> None:
        if not isinstance(model, AutoregressiveForecaster):
            raise SettingsError(
                "scores are of values one step ahead, which only the model autoregressive expects"
            )
        self.model, self.facts, self.name, self.step = model, facts, name, start
        self.values: list[ScoredValue] = []

    def __call__(self, parameters: Tensor, values: Tensor, seen: Tensor) -> None:
        """Take the next rows: parameters, values and seen of a batch of one."""
        distribution = self.model.head.of(parameters)
        tails = tail_probability(distribution, values)[0]
        nats = self.model.loss(parameters, values, seen)[0].cpu().numpy()
        came, expected = self._units(values), self._units(distribution.mean)
        for row, place in np.argwhere(seen[0].cpu().numpy()):
            at = int(row), int(place)
            self.values.append(
                ScoredValue(
                    self.name,
                    self.facts.grid.label(self.step + at[0]),
                    self.facts.columns.targets[at[1]],
                    float(came[at]),
                    float(expected[at]),
                    float(tails[at]),
                    float(nats[at]),
                )
            )
        self.step += seen.shape[1]

    def _units(self, standardised: Tensor) -> NDArray[np.float64]:
        scaling = self.facts.scalings[self.name]
        scale, location = scaling.scale.astype(np.float64), scaling.location.astype(np.float64)
        return standardised[0].double().cpu().numpy() * scale + location
