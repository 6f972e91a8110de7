"""What a run carries from the rows that it read to those that will come: constant in their number.

RUN/live is a checkpoint of it: the model's state after the last row of every series, where that row
lies in time, the values of the last steps for pictures, and known columns of the steps to come.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ostinato.checkpoint import load_checkpoint, save_checkpoint
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.data.forecasting.series import Series
from ostinato.errors import CheckpointError
from ostinato.state import map_state, stack, tensors, unstack
from ostinato.tasks.forecasting.data import prepare_all
from ostinato.tasks.forecasting.folder import Facts
from ostinato.tasks.forecasting.reading import AnyState, Forecaster, Heard, device_of, read_on
from ostinato.tasks.forecasting.side_by_side import Stretch, read_side_by_side

LIVE = "live"


@dataclass(frozen=True)
class LiveSeries:
    """Where one series stands.

    Args:
        state: the model's, of a batch of one.
        end: the step after the last row read.
        tail: the last values (time, targets), NaN where missing.
        known_ahead: (steps to come, known columns).
    """

    state: AnyState
    end: int
    tail: NDArray[np.float32]
    known_ahead: NDArray[np.float32]


def begin(
    model: Forecaster, facts: Facts, series: Mapping[str, Series], horizon: int
) -> dict[str, LiveSeries]:
    """Read every series from its first row to its last."""
    nothing = np.zeros((0, len(facts.columns.targets)), dtype=np.float32)
    unread = {
        name: LiveSeries(model.initial_state(1), one.start, nothing, one.known[:0])
        for name, one in series.items()
    }
    return go_on(model, facts, unread, series, horizon)


def go_on(
    model: Forecaster,
    facts: Facts,
    live: Mapping[str, LiveSeries],
    series: Mapping[str, Series],
    horizon: int,
    *,
    told: Callable[[str], Heard] | None = None,
) -> dict[str, LiveSeries]:
    """Read the new rows of some series; the work does not depend on what was read before.

    Args:
        model: in evaluation mode.
        facts: of the run.
        live: where every series stands.
        series: new rows; each begins at the step where its series ended.
        horizon: of the run.
        told: for a series what hears of its rows, as in `read_on`. None: nothing does.
    """
    kept = max(2 * facts.season, 3 * horizon)
    states = _states_after(model, prepare_all(series, facts, horizon), live, told)
    after = dict(live)
    for (name, new), state in zip(series.items(), states, strict=True):
        before = live[name]
        after[name] = LiveSeries(
            state,
            new.end,
            np.concatenate([before.tail, new.values[-kept:]])[-kept:],
            _known_ahead(before, new),
        )
    return after


def _states_after(
    model: Forecaster,
    prepared: Mapping[str, PreparedSeries],
    live: Mapping[str, LiveSeries],
    told: Callable[[str], Heard] | None,
) -> list[AnyState]:
    """The state after the new rows of each series, side by side where nothing hears of them."""
    stretches = [
        Stretch(one, 0, len(one.values), live[name].state) for name, one in prepared.items()
    ]
    if told is None:
        return read_side_by_side(model, stretches)
    return [
        read_on(model, *stretch, told(name))
        for name, stretch in zip(prepared, stretches, strict=True)
    ]


def save_live(folder: Path, live: Mapping[str, LiveSeries], weights: str) -> None:
    """Write RUN/live; `weights` names the checkpoint whose state this is."""
    states = stack([one.state for one in live.values()])
    group = {f"state.{place}": part for place, part in enumerate(tensors(states))}
    for place, one in enumerate(live.values()):
        group[f"tail.{place}"] = torch.from_numpy(one.tail)
        group[f"known.{place}"] = torch.from_numpy(one.known_ahead)
    ends = [one.end for one in live.values()]
    manifest = {"names": list(live), "ends": ends, "weights": weights}
    save_checkpoint(folder / LIVE, {"live": group}, manifest)


def load_live(folder: Path, model: Forecaster, weights: str) -> dict[str, LiveSeries] | None:
    """What `save_live` wrote; None where there is none, or the run has other weights by now.

    Raises:
        CheckpointError: it is damaged.
    """
    if not (folder / LIVE).is_dir():
        return None
    try:
        checkpoint = load_checkpoint(folder / LIVE)
    except CheckpointError as problem:
        raise CheckpointError(
            f"{folder / LIVE}, where the run's series stand, is damaged: delete it, and append the "
            "rows again that came after the run's own table"
        ) from problem
    content, group = checkpoint.manifest, checkpoint.tensors["live"]
    if content["weights"] != weights:
        return None
    device = device_of(model)
    like = model.initial_state(len(content["names"]))
    parts = iter(group[f"state.{place}"].to(device) for place in range(len(tensors(like))))
    try:
        states = unstack(map_state(lambda old: next(parts), like))
    except KeyError as problem:
        raise CheckpointError(f"{folder / LIVE} does not fit this run: {problem}") from problem
    return {
        name: LiveSeries(
            states[place],
            content["ends"][place],
            group[f"tail.{place}"].numpy(),
            group[f"known.{place}"].numpy(),
        )
        for place, name in enumerate(content["names"])
    }


def was_appended_to(folder: Path, series: Mapping[str, Series]) -> bool:
    """Whether RUN/live has read rows beyond the run's own table, or cannot be read.

    Args:
        folder: of the run.
        series: of its own table.
    """
    try:
        content = load_checkpoint(folder / LIVE).manifest
    except CheckpointError:
        return True
    ends = dict(zip(content["names"], content["ends"], strict=True))
    return any(ends.get(name, one.end) > one.end for name, one in series.items())


def _known_ahead(before: LiveSeries, new: Series) -> NDArray[np.float32]:
    """Known columns of the steps after the new rows: as the new rows say, else as known before."""
    ahead = new.known[len(new.values) :]
    earlier = before.known_ahead[len(new.values) :]
    if len(ahead) >= len(earlier):
        return ahead
    return np.concatenate([ahead, earlier[len(ahead) :]])
