"""The errors of forecasts from every row of the test part, as published tables have them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.baselines import history_before, last_value, seasonal_naive
from ostinato.data.forecasting.splits import Parts
from ostinato.errors import DataError
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.evaluation import Told, paths_from
from ostinato.tasks.forecasting.reading import Forecaster, states_in_batches
from ostinato.tasks.forecasting.settings import ForecastingSettings

_TOGETHER = 128


def judge_every_window(
    model: Forecaster,
    data: ForecastData,
    settings: ForecastingSettings,
    *,
    seed: int = 0,
    told: Told | None = None,
) -> dict[str, Any]:
    """Squared and absolute error over every window of the test part, none left out.

    Windows begin at every row from which a whole horizon lies in the test part; their history
    reaches back into the validation part. Errors are of values standardised on the training part.

    Args:
        model: in evaluation mode.
        data: the run's own table.
        settings: of the run.
        seed: where paths come from.
        told: called with the windows done and those in all.

    Returns:
        mse of the mean and mae of the median, the same of the baselines under their names, the
        windows and the horizon.

    Raises:
        DataError: no test part holds a whole horizon.
    """
    horizon = settings.horizon
    origins = {name: _every_origin(data.parts[name], horizon) for name in data.series}
    total, done = sum(map(len, origins.values())), 0
    if total == 0:
        raise DataError(
            f"no test part holds {horizon} steps with a value: set the test part longer, or "
            "--horizon lower"
        )
    baselines = {"last_value": last_value, "seasonal_naive": seasonal_naive(data.facts.season)}
    errors = {name: _Errors() for name in ("", *baselines)}
    for name, one in data.prepared(settings).items():
        whole, season = one.known_values, data.facts.season
        for rows, state in states_in_batches(model, one, origins[name], _TOGETHER):
            paths = paths_from(model, one, rows, state, settings, seed)
            truth = np.stack([whole[row : row + horizon] for row in rows])
            errors[""].add(paths.mean(1), np.median(paths, 1), truth)
            for label, baseline in baselines.items():
                points = np.stack(
                    [baseline(history_before(whole, row, season), horizon) for row in rows.tolist()]
                )
                errors[label].add(points, points, truth)
            done += len(rows)
            if told is not None:
                told(done, total)
    figures = {label: one.figures() for label, one in errors.items()}
    return {**figures.pop(""), **figures, "windows": total, "horizon": horizon}


def _every_origin(parts: Parts, horizon: int) -> range:
    """The rows that forecasts of a series begin at."""
    first = max(parts.validation_end, 1)
    return range(first, max(first, parts.test_end - horizon + 1))


class _Errors:
    """Adds squared and absolute errors up, of what is known."""

    def __init__(self) -> None:
        self.squared, self.absolute, self.count = 0.0, 0.0, 0

    def add(self, mean: NDArray[Any], median: NDArray[Any], truth: NDArray[np.float64]) -> None:
        known = ~np.isnan(truth)
        self.squared += float(((mean - truth)[known] ** 2).sum())
        self.absolute += float(np.abs(median - truth)[known].sum())
        self.count += int(known.sum())

    def figures(self) -> dict[str, float]:
        count = max(1, self.count)
        return {"mse": self.squared / count, "mae": self.absolute / count}
