"""Reading a series to its end, in pieces; and drawing what may come after."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ostinato.data.forecasting.horizon_windows import history_before
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.models.forecaster import AutoregressiveForecaster, ForecastState
from ostinato.models.windowed_forecaster import WindowedForecaster, WindowState
from ostinato.state import map_state, select, stack

Forecaster = AutoregressiveForecaster | WindowedForecaster
AnyState = ForecastState | WindowState
Origins = Sequence[int] | NDArray[np.int64]
Heard = Callable[[Tensor, Tensor, Tensor], None]

PIECE = 2048
"""Steps read at once: what bounds the memory."""
_PATHS_TOGETHER = 4096
"""Paths drawn side by side."""


@torch.no_grad()
def read_on(
    model: Forecaster,
    series: PreparedSeries,
    start: int,
    stop: int,
    state: Any,
    told: Heard | None = None,
) -> Any:
    """The state after the rows [start, stop) of one series.

    Args:
        model: in evaluation mode.
        series: as the model reads it.
        start, stop: rows.
        state: the state before row `start`. None: the initial.
        told: hears what was expected of each row one step before (of an autoregressive model the
            parameters of a distribution, else quantiles or a point), values and seen of each piece.
    """
    after: Any = model.initial_state(1) if state is None else state
    needed = first_read(model, start, stop) if told is None else start
    for first in range(needed, stop, PIECE):
        rows = slice(first, min(first + PIECE, stop))
        after = read_piece(model, [(series, rows)], after, told)
    # A slice of what was read would keep all of it.
    return map_state(torch.clone, after)


def first_read(model: Forecaster, start: int, stop: int) -> int:
    """The first of the rows [start, stop) that the state after them depends on."""
    if isinstance(model, WindowedForecaster):
        return max(start, stop - model.size.history)
    return start


def read_piece(
    model: Forecaster,
    parts: Sequence[tuple[PreparedSeries, slice]],
    state: Any,
    told: Heard | None,
) -> Any:
    """The state after as many rows of some series, side by side.

    Args:
        model: in evaluation mode.
        parts: each series and its rows.
        state: before these rows, a batch of them.
        told: as of `read_on`.
    """
    device = device_of(model)
    cut = [(one.values[rows], one.seen[rows], one.covariates[rows]) for one, rows in parts]
    values, seen, covariates = (
        torch.from_numpy(np.stack(part)).to(device) for part in zip(*cut, strict=True)
    )
    if told is None:
        return model.read(values, seen, covariates, state)
    ask = model.one_step_ahead if isinstance(model, WindowedForecaster) else model
    expected, after = ask(values, seen, covariates, state)
    told(expected, values, seen)
    return after


def states_before(
    model: Forecaster, series: PreparedSeries, origins: Iterable[int], start: int = 0
) -> Iterator[Any]:
    """The state before each of these rows in turn, from row `start` on; no row is read twice."""
    state, read = None, start
    for row in map(int, origins):
        state = read_on(model, series, read, row, state)
        yield state
        read = row


def states_in_batches(
    model: Forecaster, series: PreparedSeries, origins: Origins, together: int
) -> Iterator[tuple[NDArray[np.int64], Any]]:
    """Some rows and the states before them, as one batch; at most so many together.

    The state of a windowed model is a slice of the series, which is cut; another's needs all rows
    before it, and those are read one after the other.
    """
    if len(origins) == 0:
        return
    parts = _split(origins, -(-len(origins) // together))
    if isinstance(model, WindowedForecaster):
        for rows in parts:
            yield rows, _windows_before(model, series, rows)
    else:
        states = states_before(model, series, origins)
        for rows in parts:
            yield rows, stack(list(islice(states, len(rows))))


def _split(origins: Origins, count: int) -> Iterator[NDArray[np.int64]]:
    """As `numpy.array_split`, of a range, too, that is never a whole array."""
    size, longer = divmod(len(origins), count)
    for place in range(count):
        first = place * size + min(place, longer)
        yield np.asarray(origins[first : first + size + (place < longer)], dtype=np.int64)


def draw_paths(
    model: Forecaster,
    state: Any,
    covariates: NDArray[np.float32],
    samples: int,
    seed: int,
    *,
    each: bool = False,
) -> NDArray[np.float32]:
    """Paths from each state of a batch on, standardised; equally likely.

    Args:
        model: in evaluation mode.
        state: of a batch.
        covariates: (batch, horizon, covariates) of the steps to come.
        samples: paths of each, where the model draws them.
        seed: the same one draws the same paths.
        each: every state begins at the seed and has the paths that it would have by itself; else
            they are drawn one after the other.

    Returns:
        (batch, paths, horizon, targets): one path of a model of points, 101 of one of quantiles.
    """
    device = device_of(model)
    ahead = torch.from_numpy(covariates).to(device)
    together = max(1, _PATHS_TOGETHER // samples)
    drawn = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for first in range(0, len(covariates), together):
            rows = slice(first, first + together)
            own = select(state, rows)
            paths = model.paths(own, ahead[rows], samples, seed=seed if each else None)
            drawn.append(paths.cpu())
    return torch.cat(drawn).numpy()


def _windows_before(
    model: WindowedForecaster, series: PreparedSeries, rows: NDArray[np.int64]
) -> WindowState:
    """What the model sees before each row: (rows, history, feature)."""
    windows = [history_before(series, row, model.size.history) for row in rows.tolist()]
    device = device_of(model)
    values, seen, covariates = (
        torch.from_numpy(np.stack(part)).to(device) for part in zip(*windows, strict=True)
    )
    return WindowState(values, seen.to(values.dtype), covariates)


def device_of(model: nn.Module) -> torch.device:
    """Where the model computes."""
    return next(model.parameters()).device


class MeanLoss:
    """Adds up the losses that `read_on` tells of."""

    def __init__(self, model: AutoregressiveForecaster) -> None:
        self.model = model
        self.nats, self.values = 0.0, 0

    def __call__(self, parameters: Tensor, values: Tensor, seen: Tensor) -> None:
        self.nats += float(self.model.loss(parameters, values, seen).double().sum())
        self.values += int(seen.sum())
