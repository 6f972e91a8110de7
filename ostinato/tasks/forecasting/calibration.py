"""Conformal calibration of a run: learned on its validation part, kept in its folder."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.conformal import learn_shifts, only_wider, shortage, values_needed
from ostinato.data.forecasting.long_rows import LongRows
from ostinato.data.forecasting.splits import Parts
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.evaluation import Told, forecasts_from
from ostinato.tasks.forecasting.kept import load_kept, save_kept
from ostinato.tasks.forecasting.reading import Forecaster
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.validation_rows import validation_rows

KEPT = "conformal.json"
_MOST_FORECASTS, _MOST_IN_ALL = 200, 4000
"""Of each series, their places spread evenly, and of all; yet enough of each for the quantiles."""

Shifts = dict[str, NDArray[np.float64]]


class Calibration(NamedTuple):
    """What calibrates a run's quantiles, or why nothing does.

    `shifts`: of every quantile, by series (levels, horizon, targets), standardised; away from the
    middle only.
    """

    shifts: Shifts | None
    obstacle: str | None


def calibrate(
    model: Forecaster,
    data: ForecastData,
    settings: ForecastingSettings,
    *,
    seed: int = 0,
    told: Told | None = None,
) -> Calibration:
    """Learn what the quantiles are off by.

    Forecasts begin so that every step of the horizon comes to lie on every row of the validation
    part once, if there are no more rows than forecasts; only rows of that part are compared.

    Args:
        model: in evaluation mode.
        data: the run's own table.
        settings: of the run.
        seed: where the paths come from.
        told: called with the forecasts done and those in all.
    """
    if settings.windowed and settings.loss != "quantile":
        return Calibration(None, "a model that forecasts points has no quantiles")
    levels, horizon = settings.quantiles, settings.horizon
    prepared = data.prepared(settings)
    most = max(_MOST_IN_ALL // len(prepared), values_needed(levels) + horizon)
    most = min(most, _MOST_FORECASTS)
    origins = {
        name: validation_rows(data, name, horizon, most, before=horizon - 1) for name in prepared
    }
    truths = {
        name: _truths(one.known_values, data.parts[name], origins[name], horizon)
        for name, one in prepared.items()
    }
    obstacle = shortage(((~np.isnan(own)).sum(0) for own in truths.values()), levels)
    if obstacle is not None:
        return Calibration(None, obstacle)
    total, done, errors = sum(map(len, origins.values())), 0, {}
    for name, one in prepared.items():
        rows, truth = origins[name], truths[name]
        if len(rows) == 0:
            errors[name] = np.zeros((0, len(levels), *truth.shape[1:]))
            continue
        paths = forecasts_from(model, one, rows, settings, seed)
        quantiles = np.quantile(paths, levels, axis=1).swapaxes(0, 1)
        errors[name] = np.expand_dims(truth, 1) - quantiles
        done += len(rows)
        if told is not None:
            told(done, total)
    shifts = learn_shifts(errors, levels)
    return Calibration({name: only_wider(own, levels) for name, own in shifts.items()}, None)


def save_calibration(folder: Path, found: Calibration, weights: str) -> None:
    """Keep it in the folder of a run; `weights` names the checkpoint that it is of."""
    shifts = found.shifts and {name: one.tolist() for name, one in found.shifts.items()}
    save_kept(folder / KEPT, {"shifts": shifts, "obstacle": found.obstacle}, weights)


def load_calibration(folder: Path, weights: str) -> Calibration | None:
    """What was kept; None where nothing is, or the run has other weights by now."""
    return load_kept(folder / KEPT, weights, _read)


def _read(content: dict[str, Any]) -> Calibration:
    shifts = content["shifts"]
    kept = shifts and {name: np.array(one) for name, one in shifts.items()}
    return Calibration(kept, content.get("obstacle"))


def _truths(
    whole: LongRows, part: Parts, rows: NDArray[np.int64], horizon: int
) -> NDArray[np.float64]:
    """What came from each row on: (rows, horizon, targets)."""
    shape = (0, horizon, whole.shape[1])
    found = [_within(whole, part, row, horizon)[None] for row in rows.tolist()]
    return np.concatenate([np.zeros(shape), *found])


def _within(whole: LongRows, part: Parts, row: int, horizon: int) -> NDArray[np.float64]:
    """What came from a row on (horizon, targets), NaN outside the validation part."""
    truth = np.full((horizon, whole.shape[1]), np.nan)
    first, stop = max(row, part.train_end), min(row + horizon, part.validation_end)
    if first < stop:
        truth[first - row : stop - row] = whole[first:stop]
    return truth
