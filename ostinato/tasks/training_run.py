"""From the shared settings to a training run: the same for every task."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ostinato.errors import CheckpointError
from ostinato.tasks.losses_picture import draw_losses_of_run
from ostinato.tasks.run_folder import new_run_folder
from ostinato.tasks.settings import TrainingSettings
from ostinato.training import (
    Averaging,
    Clipping,
    Journal,
    Observer,
    Optimisation,
    Processes,
    Schedule,
    Trainer,
    TrainingPlan,
    bfloat16_is_slow,
    build_optimiser,
    choose_device,
    join_processes,
    load_model_weights,
)

Settings = TypeVar("Settings", bound=TrainingSettings)

DEFAULT_EPOCHS = 10
VALIDATIONS = 10
CHECKPOINT_EVERY = 500
SLOW_BFLOAT16 = (
    "this processor has no instructions for bfloat16, so that it computes many times slower with "
    "--precision bf16 than with --precision 32"
)


def set_threads(threads: int | None) -> None:
    """Take so many processor threads; None: as many as torch takes."""
    if threads is not None:
        torch.set_num_threads(threads)


def local_device(name: str) -> str:
    """Under torchrun each process on a GPU takes its own; else the device named."""
    if torch.cuda.is_available() and name in ("auto", "cuda") and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return name


@contextmanager
def take_part(settings: TrainingSettings) -> Iterator[tuple[Processes, torch.device]]:
    """Take the threads and the device of the settings; the processes of this training."""
    set_threads(settings.threads)
    device = choose_device(local_device(settings.device))
    with join_processes(device) as processes:
        yield processes, device


def begin_folder(
    wanted: Path | None, name: str, processes: Processes, describe: Callable[[Path], None]
) -> Path:
    """The folder of a new run, made and described by the first process.

    Args:
        wanted, name: as `new_run_folder` takes them.
        processes: of this training.
        describe: writes into the folder what the run is.
    """
    folder = None
    if processes.is_first:
        folder = new_run_folder(wanted, name)
        describe(folder)
    return processes.from_first(folder)


def settings_elsewhere(
    settings: Settings, device: str | None, threads: int | None, workers: int | None
) -> Settings:
    """The settings of a run that goes on, with what may differ this time; None: as before."""
    changes = {"device": device, "threads": threads, "workers": workers}
    return settings.model_copy(update={k: v for k, v in changes.items() if v is not None})


def build_trainer(
    settings: TrainingSettings,
    objective: Any,
    windows: Callable[[int], Any],
    journal: Journal,
    *,
    validate: Callable[[nn.Module], dict[str, Any]] | None,
    validation_updates: float,
    observer: Observer,
    processes: Processes,
) -> Trainer:
    """The trainer that the settings describe, for an objective whose model is on its device.

    `validation_updates` is as `build_plan` takes it.
    """
    if settings.precision == "bf16" and bfloat16_is_slow(next(objective.model.parameters()).device):
        observer.noted(SLOW_BFLOAT16)
    plan = build_plan(settings, len(windows(0)), validation_updates)
    optimisation = build_optimisation(settings, objective.model, plan.updates)
    return Trainer(
        objective,
        windows,
        plan,
        optimisation,
        journal,
        validate=validate,
        observer=observer,
        processes=processes,
    )


def build_plan(
    settings: TrainingSettings, updates_per_epoch: int, validation_updates: float = 0.0
) -> TrainingPlan:
    """How long to train and how often to look, with what the settings leave open filled in.

    Args:
        settings: any task's.
        updates_per_epoch: in one pass over the data.
        validation_updates: how many updates read as much as one validation, which then lies at
            least four times as many updates after the last, or most of the time would go there.
    """
    updates = settings.updates
    if updates is None:
        updates = max(1, round((settings.epochs or DEFAULT_EPOCHS) * updates_per_epoch))
    rarest = max(updates // VALIDATIONS, math.ceil(4 * validation_updates), 1)
    validate_every = settings.validate_every or min(rarest, updates)
    return TrainingPlan(
        updates=updates,
        validate_every=validate_every,
        checkpoint_every=settings.checkpoint_every or min(validate_every, CHECKPOINT_EVERY),
        clipping=Clipping(settings.clip_norm, settings.clip_value),
        precision=settings.precision,
        micro_batches=settings.micro_batches,
        patience=settings.patience,
        workers=settings.workers,
    )


def build_optimisation(settings: TrainingSettings, model: nn.Module, updates: int) -> Optimisation:
    """Optimiser, schedule and averaging."""
    optimiser = build_optimiser(
        model,
        settings.optimiser,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
    )
    schedule = Schedule(
        settings.schedule,
        updates,
        warm_up=settings.warm_up,
        final=settings.final_rate,
        decay=settings.decay,
        every=settings.step_size or 1,
        start=settings.step_size or 1 if settings.step_start is None else settings.step_start,
        patience=settings.plateau_patience,
    )
    averaging = None
    if settings.optimiser == "asgd":
        averaging = Averaging(model, settings.averaging_patience)
    return Optimisation(optimiser, schedule, averaging)


def train_to_the_end(
    trainer: Trainer,
    model: nn.Module,
    folder: Path,
    settings: TrainingSettings,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> None:
    """Train, draw the losses, and let the model of the first process be the best of the run.

    Raises:
        KeyboardInterrupt: stopped; the message says how to go on.
    """
    observer.run_started(folder)
    try:
        trainer.run(resume=resume)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with: ostinato resume {folder}") from None
    finally:
        if processes.is_first:
            draw_losses_of_run(folder, settings.unit)
    if processes.is_first:
        load_trained(model, folder)


def load_trained(model: nn.Module, run: Path) -> dict[str, Any]:
    """Put a run's best weights (the averaged ones, where there are) into `model`.

    Returns:
        The checkpoint's manifest.
    """
    checkpoint = load_model_weights(run)
    try:
        model.load_state_dict(checkpoint.tensors["model"])
    except RuntimeError as problem:
        raise CheckpointError(f"the weights of {run} do not fit its settings: {problem}") from (
            problem
        )
    if "averaging" in checkpoint.manifest:
        averaging = Averaging(model)
        averaging.load(checkpoint.tensors.get("averages", {}), checkpoint.manifest["averaging"])
        for parameter, mean in zip(averaging.parameters, averaging.means or [], strict=False):
            parameter.data.copy_(mean)
    return checkpoint.manifest
