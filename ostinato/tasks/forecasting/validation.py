"""What a training is judged by on the way: the error over the horizon, on the validation part."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ostinato.data.forecasting.horizon_windows import cut_windows
from ostinato.data.forecasting.judging import crps
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.data.forecasting.splits import Parts
from ostinato.models.forecaster import AutoregressiveForecaster
from ostinato.models.windowed_forecaster import WindowedForecaster
from ostinato.state import stack
from ostinato.tasks.forecasting.data import ForecastData
from ostinato.tasks.forecasting.reading import (
    MeanLoss,
    device_of,
    draw_paths,
    states_before,
)
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.side_by_side import Stretch, read_side_by_side
from ostinato.training.device import move_window

DRAWN_FORECASTS = 64
"""Forecasts of an autoregressive model in one validation, over all series."""
WINDOWS = 4096
"""Those of a windowed model, which are cheaper."""
_WARM_UP = 2048
"""Steps that a state is read in over, where there are so many before a validation part."""
_TOGETHER = 256
_SERIES_AT_ONCE = 1024
"""Whose states are held together."""
_SEED = 0

Validate = Callable[[nn.Module], dict[str, Any]]


def validation(data: ForecastData, settings: ForecastingSettings) -> Validate:
    """What the trainer calls to validate.

    Of a windowed model the loss over the horizon; of an autoregressive one the CRPS over the
    horizon, which chooses the best weights, beside the nats of a value one step ahead.
    """
    prepared = list(data.prepared(settings).values())
    parts = [data.parts[name] for name in data.series]

    def validate(model: nn.Module) -> dict[str, Any]:
        if isinstance(model, WindowedForecaster):
            return {"nats_per_unit": _loss_over_horizons(model, prepared, parts)}
        assert isinstance(model, AutoregressiveForecaster)
        nats = _nats_one_step_ahead(model, prepared, parts)
        score = _crps_over_horizons(model, prepared, parts, settings)
        chosen = nats if score is None else score
        return {"nats_per_unit": nats, "crps": chosen, "error": chosen}

    return validate


def validation_updates(data: ForecastData, settings: ForecastingSettings, history: int) -> float:
    """How many updates read as much as one validation."""
    parts = list(data.parts.values())
    if settings.windowed:
        count = sum(len(rows) for _, rows in _spread(parts, settings.horizon, WINDOWS))
        # It has no backward pass.
        return count / (3 * settings.batch_size)
    read = sum(part.validation_end - max(0, part.train_end - _WARM_UP) for part in parts)
    drawn = min(DRAWN_FORECASTS, len(parts)) * settings.samples * settings.horizon
    return (read + drawn) / (3 * settings.batch_size * history)


def validation_origins(parts: Parts, horizon: int, most: int) -> NDArray[np.int64]:
    """Rows to forecast from, at most so many, spread over the validation part.

    Their horizons end within it. Of a part that is shorter than the horizon, or that is not there,
    the one forecast begins before it.
    """
    last = parts.validation_end - horizon
    first = max(1, min(parts.train_end, last))
    if last < first:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.linspace(first, last, min(most, last - first + 1)).round().astype(np.int64))


def _spread(parts: list[Parts], horizon: int, most: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """For some series, evenly spread, their number and rows to forecast from."""
    every = -(-len(parts) // most)
    for number in range(0, len(parts), every):
        found = validation_origins(parts[number], horizon, max(1, most // len(parts)))
        if len(found):
            yield number, found


def _loss_over_horizons(
    model: WindowedForecaster, series: list[PreparedSeries], parts: list[Parts]
) -> float:
    history, horizon, *_ = model.size
    places = [
        (number, int(row)) for number, rows in _spread(parts, horizon, WINDOWS) for row in rows
    ]
    total, count = 0.0, 0
    with torch.no_grad():
        for first in range(0, len(places), _TOGETHER):
            window = cut_windows(series, places[first : first + _TOGETHER], history, horizon)
            window = move_window(window, device_of(model))
            outputs = model(window.inputs, window.seen, window.covariates, window.ahead)
            losses = model.loss(outputs, window.targets, window.counted.to(outputs.device))
            total += float(losses.double().sum())
            count += window.units
    return total / max(1, count)


def _nats_one_step_ahead(
    model: AutoregressiveForecaster, series: list[PreparedSeries], parts: list[Parts]
) -> float:
    """Where no series has a validation part, the test part is left alone and training is read."""
    held_out = any(part.validation_end > part.train_end for part in parts)
    loss = MeanLoss(model)
    for begin in range(0, len(series), _SERIES_AT_ONCE):
        some = slice(begin, begin + _SERIES_AT_ONCE)
        before, judged = [], []
        for one, part in zip(series[some], parts[some], strict=True):
            first = part.train_end if held_out else 0
            if part.validation_end > first:
                before.append(Stretch(one, max(0, first - _WARM_UP), first))
                judged.append(Stretch(one, first, part.validation_end))
        states = read_side_by_side(model, before)
        read_side_by_side(
            model,
            [one._replace(state=state) for one, state in zip(judged, states, strict=True)],
            loss,
        )
    return loss.nats / max(1, loss.values)


def _crps_over_horizons(
    model: AutoregressiveForecaster,
    series: list[PreparedSeries],
    parts: list[Parts],
    settings: ForecastingSettings,
) -> float | None:
    """The mean over all values; None where no part holds a horizon."""
    states, ahead, truths = [], [], []
    horizon = settings.horizon
    for number, rows in _spread(parts, horizon, DRAWN_FORECASTS):
        one = series[number]
        states += states_before(model, one, rows, max(0, int(rows[0]) - _WARM_UP))
        for row in rows:
            ahead.append(one.covariates[row : row + horizon])
            here = slice(row, row + horizon)
            truths.append(np.where(one.seen[here], one.values[here], np.nan))
    if not states:
        return None
    paths = draw_paths(model, stack(states), np.stack(ahead), settings.samples, _SEED)
    scores = crps(paths.swapaxes(0, 1).astype(np.float64), np.stack(truths).astype(np.float64))
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else None
