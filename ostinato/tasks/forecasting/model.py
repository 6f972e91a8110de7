"""From settings to a forecaster."""

from functools import partial

from ostinato.cells import GRUCell, LSTMCell, RNNCell
from ostinato.cells.decayed import DecayedCell
from ostinato.layers import Recurrent
from ostinato.models.direct_forecaster import DirectForecaster, direct_input_sizes
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.segment_forecaster import SegmentForecaster
from ostinato.models.windowed_forecaster import WindowSize
from ostinato.tasks.forecasting.folder import Facts
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.own_cell import build_own_cells, is_own_cell
from ostinato.tasks.recurrent import build_stack

_DECAYED_CELLS = {"lstm": LSTMCell, "gru": partial(GRUCell, reset="before"), "rnn": RNNCell}
"""GRU-D resets before the recurrent product."""
_LONGEST_WINDOW, _SHORTEST_WINDOW = 192, 24
_LONGEST_SEGMENT = 48


def build(
    settings: ForecastingSettings, facts: Facts
) -> AutoregressiveForecaster | SegmentForecaster | DirectForecaster:
    """The forecaster that the settings describe, for a table; its weights drawn anew."""
    if settings.model == "segments":
        return _segments(settings, facts)
    if settings.model == "direct":
        return _direct(settings, facts)
    targets = len(facts.columns.targets)
    width = input_size_for(targets, facts.covariates, decay=settings.missing_decay)
    return AutoregressiveForecaster(
        _decayed_layer(settings, width, targets)
        if settings.missing_decay
        else build_stack(settings, width),
        targets,
        facts.covariates,
        season=facts.season,
        distribution=settings.distribution,
        normalisation=settings.normalisation,
        decay=settings.missing_decay,
    )


def window_steps(settings: ForecastingSettings, season: int) -> int:
    """Steps of history: those that a window sees, or a gradient reaches back over."""
    if settings.history is not None:
        return settings.history
    return min(max(2 * settings.horizon, season, _SHORTEST_WINDOW), _LONGEST_WINDOW)


def _segments(settings: ForecastingSettings, facts: Facts) -> SegmentForecaster:
    size = _size(settings, facts)
    shorter = min(size.history, size.horizon)
    segment = settings.segment or min(max(1, shorter // 4), _LONGEST_SEGMENT)
    return SegmentForecaster(
        build_stack(settings, settings.hidden_size),
        size,
        segment,
        loss=settings.loss,
        levels=settings.quantiles,
        normalisation=settings.normalisation,
        dropout=settings.dropout,
    )


def _direct(settings: ForecastingSettings, facts: Facts) -> DirectForecaster:
    size = _size(settings, facts)
    reads, writes = direct_input_sizes(size)
    return DirectForecaster(
        build_stack(settings, reads),
        build_stack(settings, writes),
        size,
        season=facts.season,
        loss=settings.loss,
        levels=settings.quantiles,
        normalisation=settings.normalisation,
        dropout=settings.dropout,
    )


def _size(settings: ForecastingSettings, facts: Facts) -> WindowSize:
    history = window_steps(settings, facts.season)
    return WindowSize(history, settings.horizon, len(facts.columns.targets), facts.covariates)


def _decayed_layer(settings: ForecastingSettings, input_size: int, targets: int) -> Recurrent:
    """The first layer's state fades by the ages, the last features that it reads."""
    size = (input_size - targets, settings.hidden_size, settings.layers)
    if is_own_cell(settings.cell):
        first, *above = build_own_cells(settings.cell, *size)[0]
    else:
        made = _DECAYED_CELLS[settings.cell]
        first = made(*size[:2])
        above = [made(size[1], size[1]) for _ in range(settings.layers - 1)]
    return Recurrent([DecayedCell(first, targets), *above], dropout=settings.dropout)
