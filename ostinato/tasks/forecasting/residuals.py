"""What a forecaster was off by, one step ahead, on its validation part; kept with the run."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import DataError
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.evaluation import Told, paths_from
from ostinato.tasks.forecasting.kept import load_kept, save_kept
from ostinato.tasks.forecasting.reading import Forecaster, states_in_batches
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.validation_rows import validation_rows

KEPT = "residuals.json"
_FEWEST = 19
"""With fewer no value could ever be one in ten."""
_MOST = 1000
"""Of each series; their places are spread evenly."""
_TOGETHER = 256

Residuals = dict[str, NDArray[np.float64]]


def learn_residuals(
    model: Forecaster,
    data: ForecastData,
    settings: ForecastingSettings,
    *,
    told: Told | None = None,
) -> Residuals:
    """By series (values, targets), standardised; a series that has too few has those of all.

    Args:
        model: in evaluation mode.
        data: the run's own table.
        settings: of the run.
        told: called with the values done and those in all.

    Raises:
        DataError: the validation parts of all series together have too few values.
    """
    origins = {name: validation_rows(data, name, settings.horizon, _MOST) for name in data.series}
    total, done, found = sum(map(len, origins.values())), 0, {}
    for name, one in data.prepared(settings).items():
        truth, own = one.known_values, [np.zeros((0, len(data.facts.columns.targets)))]
        for rows, state in states_in_batches(model, one, origins[name], _TOGETHER):
            expected = paths_from(model, one, rows, state, settings, seed=0).mean(1)[:, 0]
            own.append(np.concatenate([truth[row : row + 1] for row in rows.tolist()]) - expected)
            done += len(rows)
            if told is not None:
                told(done, total)
        found[name] = np.concatenate(own)
    return _pooled(found)


def save_residuals(folder: Path, residuals: Residuals, weights: str) -> None:
    """Keep them in the folder of a run; `weights` names the checkpoint that they are of."""
    listed = {name: one.tolist() for name, one in residuals.items()}
    save_kept(folder / KEPT, {"residuals": listed}, weights)


def load_residuals(folder: Path, weights: str) -> Residuals | None:
    """What `save_residuals` kept; None where nothing is, or the run has other weights by now."""
    return load_kept(folder / KEPT, weights, _read)


def _read(content: dict[str, Any]) -> Residuals:
    return {name: np.array(one) for name, one in content["residuals"].items()}


def _pooled(found: Residuals) -> Residuals:
    together: NDArray[np.float64] | None = None
    for name, own in found.items():
        if _fewest(own) >= _FEWEST:
            continue
        if together is None:
            together = np.concatenate(list(found.values()))
            if _fewest(together) < _FEWEST:
                raise DataError(
                    "scores of a model that forecasts points, or one quantile, are of what it was "
                    f"off by on the validation part: they need {_FEWEST} values there, and there "
                    f"are {_fewest(together)}; train with a higher --validation-fraction, or with "
                    "--loss quantile and two --quantiles or more"
                )
        found[name] = together
    return found


def _fewest(errors: NDArray[np.float64]) -> int:
    """Values of the target that has the fewest."""
    return int((~np.isnan(errors)).sum(0).min())
