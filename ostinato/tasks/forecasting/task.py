"""Forecasting the series of a table.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ostinato.data.forecasting.long_rows import joined_pieces, pieces
from ostinato.models.windowed_forecaster import WindowedForecaster
from ostinato.tasks.forecasting.data import (
    ForecastData,
    read_again,
    read_data,
    refuse_untrainable,
    window_source,
)
from ostinato.tasks.forecasting.evaluation import backtest
from ostinato.tasks.forecasting.folder import describe, facts_of, fingerprint, settings_of
from ostinato.tasks.forecasting.live import LIVE, was_appended_to
from ostinato.tasks.forecasting.model import build, window_steps
from ostinato.tasks.forecasting.objectives import HorizonObjective, StepObjective
from ostinato.tasks.forecasting.reading import draw_paths
from ostinato.tasks.forecasting.run import ForecastingRun
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.validation import validation, validation_updates
from ostinato.tasks.run_folder import refuse_unusable_folder
from ostinato.tasks.training_run import (
    begin_folder,
    build_trainer,
    load_trained,
    local_device,
    set_threads,
    settings_elsewhere,
    train_to_the_end,
)
from ostinato.training import Journal, Observer, choose_device, join_processes
from ostinato.training.processes import Processes

__all__ = [
    "ForecastingRun",
    "Settings",
    "build",
    "evaluate",
    "load_forecaster",
    "predict",
    "prepare",
    "resume",
    "train",
    "train_forecasting",
]

Settings = ForecastingSettings
_MOST_NAMED = 6
"""Targets that are told by name."""
prepare = read_data
evaluate = backtest
predict = draw_paths


def train(settings: ForecastingSettings, observer: Observer | None = None) -> ForecastingRun:
    """Train a forecaster from the start.

    Raises:
        SettingsError: something in the settings.
        DataError: something in the table; names file, row and column.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    refuse_unusable_folder(settings.run)
    set_threads(settings.threads)
    data = read_data(settings, progress=observer.preparing)
    _tell(data, settings.horizon, observer)
    refuse_untrainable(data, settings.horizon)
    with join_processes(choose_device(local_device(settings.device))) as processes:
        folder = begin_folder(
            settings.run,
            f"forecasting-{settings.data.stem}",
            processes,
            lambda folder: describe(folder, settings, data.facts, fingerprint(settings)),
        )
        return _train(folder, settings, data, processes, observer, resume=False)


def resume(
    folder: Path | str,
    *,
    cell: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
) -> ForecastingRun:
    """Go on with a run that was stopped; it ends as if it had never been.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device, threads, workers: other than the run's own; None: the same.
        observer: hears of everything that happens.
    """
    folder = Path(folder)
    settings = settings_elsewhere(settings_of(folder, cell), device, threads, workers)
    set_threads(settings.threads)
    observer = observer or Observer()
    data = read_again(settings, facts_of(folder), observer.preparing)
    with join_processes(choose_device(local_device(settings.device))) as processes:
        return _train(folder, settings, data, processes, observer, resume=True)


def load_forecaster(
    folder: Path | str, *, cell: str | None = None, device: str = "auto"
) -> ForecastingRun:
    """A run's best forecaster, ready to forecast and to be judged.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device: where to compute.

    Raises:
        CheckpointError: there is no run of forecasting, or it has no checkpoint yet.
    """
    folder = Path(folder)
    settings = settings_of(folder, cell)
    model = build(settings, facts_of(folder))
    load_trained(model, folder)
    return ForecastingRun(folder, settings, model.to(choose_device(device)).eval())


def train_forecasting(
    data: Path | str, horizon: int, *, observer: Observer | None = None, **settings: Any
) -> ForecastingRun:
    """Train a forecaster: `train` with the settings as keywords.

    Args:
        data: the CSV file.
        horizon: steps to forecast.
        observer: hears of everything that happens; None: nobody does.
        settings: the fields of `ForecastingSettings`, as target=("OT",) or updates=2000.

    Example:
        >>> run = ostinato.train_forecasting("sales.csv", 12, updates=500)  # doctest: +SKIP
        >>> run.forecast()[0].mean[:, 0]  # doctest: +SKIP
    """
    return train(ForecastingSettings(data=Path(data), horizon=horizon, **settings), observer)


def _tell(data: ForecastData, horizon: int, observer: Observer) -> None:
    facts, series = data.facts, data.series.values()
    targets, steps = facts.columns.targets, sum(len(one.values) for one in series)
    walked = joined_pieces(pieces(one.values) for one in series)
    seen = sum(int(np.count_nonzero(~np.isnan(piece))) for piece in walked)
    missing = 1 - seen / (steps * len(targets))
    of = targets[0] if len(targets) == 1 else f"{len(targets)} targets ({_listed(targets)})"
    observer.noted(
        f"{len(data.series):,} series, {steps:,} steps of {of}, "
        f"{missing:.2%} missing; season {facts.season}"
        + (
            f"; time stamps in {facts.columns.time!r}"
            if facts.columns.time
            else "; no time stamps: every row is a step"
        )
    )
    if data.too_coarse:
        observer.noted(
            f"{_listed(data.too_coarse)}: many values change by less than 32-bit numbers of their "
            "size can tell; subtract in the table what all of them are near"
        )
    counting = None if facts.columns.time else _counting(data)
    if counting is not None:
        observer.noted(
            f"{counting!r} is forecast, too, and rises by 1 at every row: if it counts the time, "
            f"--time {counting}"
        )
    longest = max(part.test_end - part.validation_end for part in data.parts.values())
    if longest < horizon:
        observer.noted(
            f"the part to test on has {longest:,} steps, fewer than the horizon of {horizon:,}: "
            "`ostinato backtest` will have nothing to judge by"
        )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")


def _counting(data: ForecastData) -> str | None:
    """A target that rises by 1 at every step of every series."""
    for place, name in enumerate(data.facts.columns.targets):
        long = [one.values for one in data.series.values() if len(one.values) > 1]
        walked = (piece[:, place] for one in long for piece in pieces(one, 1, before=1))
        if long and all((np.diff(piece) == 1).all() for piece in walked):
            return name
    return None


def _train(
    folder: Path,
    settings: ForecastingSettings,
    data: ForecastData,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> ForecastingRun:
    device = choose_device(local_device(settings.device))
    torch.manual_seed(settings.seed)
    model = build(settings, data.facts).to(device)
    history = window_steps(settings, data.facts.season)
    source = window_source(settings, data, history, processes.rank, processes.world_size)
    torch.manual_seed(settings.seed + processes.rank)
    windowed = isinstance(model, WindowedForecaster)
    trainer = build_trainer(
        settings,
        HorizonObjective(model) if windowed else StepObjective(model, settings.horizon),
        source.epoch,
        Journal(folder, fingerprint(settings)),
        validate=validation(data, settings),
        validation_updates=validation_updates(data, settings, history),
        observer=observer,
        processes=processes,
    )
    train_to_the_end(trainer, model, folder, settings, processes, observer, resume=resume)
    run = ForecastingRun(folder, settings, model.eval())
    if processes.is_first:
        _begin_live(run, data, observer)
    return run


def _begin_live(run: ForecastingRun, data: ForecastData, observer: Observer) -> None:
    """Where every series stands at the end of its table, unless the run knows it already."""
    if run.is_live():
        return
    place = run.folder / LIVE
    if place.is_dir():  # What was carried belongs to weights that are gone.
        if was_appended_to(run.folder, data.series):
            observer.noted("rows that were appended to the run before are to be appended again")
        shutil.rmtree(place)
    run.live(data.series)
