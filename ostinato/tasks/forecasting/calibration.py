"""Conformal calibration of a run: learned on its validation part, kept in its folder."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.checkpoint import write_text
from ostinato.data.forecasting.conformal import learn_shifts
from ostinato.data.forecasting.long_rows import LongRows
from ostinato.data.forecasting.splits import Parts
from ostinato.errors import CheckpointError, DataError
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.evaluation import Told, forecasts_from
from ostinato.tasks.forecasting.reading import Forecaster
from ostinato.tasks.forecasting.settings import ForecastingSettings

KEPT = "conformal.json"
_MOST_FORECASTS = 200
"""Of each series; their places are spread evenly."""

Shifts = dict[str, NDArray[np.float64]]


def calibrate(
    model: Forecaster,
    data: ForecastData,
    settings: ForecastingSettings,
    *,
    seed: int = 0,
    told: Told | None = None,
) -> Shifts:
    """The shifts of every quantile: by series (levels, horizon, targets), standardised.

    Forecasts begin so that every step of the horizon comes to lie on every row of the validation
    part once, if there are no more rows than forecasts; only rows of that part are compared.

    Args:
        model: in evaluation mode.
        data: the run's own table.
        settings: of the run.
        seed: where the paths come from.
        told: called with the forecasts done and those in all.

    Raises:
        DataError: the validation part is too short, or the model forecasts points.
    """
    origins = {name: _origins(data, name, settings.horizon) for name in data.series}
    total, done, errors = sum(map(len, origins.values())), 0, {}
    for name, one in data.prepared(settings).items():
        part, rows, whole = data.parts[name], origins[name], one.known_values
        if len(rows) == 0:
            shape = (0, len(settings.quantiles), settings.horizon, whole.shape[1])
            errors[name] = np.zeros(shape)
            continue
        truth = np.stack([_within(whole, part, row, settings.horizon) for row in rows.tolist()])
        paths = forecasts_from(model, one, rows, settings, seed)
        if paths.shape[1] == 1:
            raise DataError("a model that forecasts points has no quantiles to calibrate")
        quantiles = np.quantile(paths, settings.quantiles, axis=1).swapaxes(0, 1)
        errors[name] = np.expand_dims(truth, 1) - quantiles
        done += len(rows)
        if told is not None:
            told(done, total)
    return learn_shifts(errors, settings.quantiles)


def save_shifts(folder: Path, shifts: Shifts, weights: str) -> None:
    """Keep them in the folder of a run; `weights` names the checkpoint that they are of."""
    content = {"weights": weights, "shifts": {name: one.tolist() for name, one in shifts.items()}}
    write_text(folder / KEPT, json.dumps(content))


def load_shifts(folder: Path, weights: str) -> Shifts | None:
    """What `save_shifts` kept; None where nothing is, or the run has other weights by now."""
    if not (folder / KEPT).is_file():
        return None
    try:
        content = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        if content["weights"] != weights:
            return None
        return {name: np.array(one) for name, one in content["shifts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CheckpointError(f"{folder / KEPT} is damaged: {problem}; delete it") from problem


def _within(whole: LongRows, part: Parts, row: int, horizon: int) -> NDArray[np.float64]:
    """What came from a row on (horizon, targets), NaN outside the validation part."""
    truth = np.full((horizon, whole.shape[1]), np.nan)
    first, stop = max(row, part.train_end), min(row + horizon, part.validation_end)
    if first < stop:
        truth[first - row : stop - row] = whole[first:stop]
    return truth


def _origins(data: ForecastData, name: str, horizon: int) -> NDArray[np.int64]:
    """Rows to forecast from: each whose horizon has a row of the validation part."""
    part = data.parts[name]
    first = max(1, part.train_end - horizon + 1)
    # The covariates of a whole horizon are known up to the end of the series.
    last = min(part.validation_end - 1, len(data.series[name].values) - horizon)
    if part.validation_end == part.train_end or last < first:
        return np.zeros(0, dtype=np.int64)
    count = min(_MOST_FORECASTS, last - first + 1)
    return np.unique(np.linspace(first, last, count).round().astype(np.int64))
