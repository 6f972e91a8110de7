"""Small training runs for the tests."""

from pathlib import Path
from typing import Any

import torch
from small_models import SeriesModel, SeriesWindows
from torch import Tensor, nn

from ostinato.training import (
    Averaging,
    Journal,
    Observer,
    Optimisation,
    Schedule,
    ThroughTime,
    Trainer,
    TrainingPlan,
    build_optimiser,
)


def make_trainer(
    folder: Path,
    *,
    updates: int = 12,
    optimiser: str = "adamw",
    windows: Any = None,
    validate: Any = None,
    observer: Observer | None = None,
    fingerprint: str = "f",
    **plan: Any,
) -> Trainer:
    torch.manual_seed(3)
    model = SeriesModel(num_layers=2, dropout=0.3, recurrent_dropout=0.2, zoneout=0.1)
    if windows is None:
        series = torch.randn(4, 30, generator=torch.Generator().manual_seed(1))
        windows = SeriesWindows(series, 4, 6)
    averaging = Averaging(model, patience=1) if optimiser == "asgd" else None
    optimisation = Optimisation(
        build_optimiser(model, optimiser, learning_rate=0.01),
        Schedule("cosine", updates, warm_up=2),
        averaging,
    )
    settings = {"validate_every": 4, "checkpoint_every": 3, "record_every": 2} | plan
    return Trainer(
        ThroughTime(model),
        lambda epoch: windows,
        TrainingPlan(updates=updates, **settings),
        optimisation,
        Journal(folder, fingerprint),
        validate=validate,
        observer=observer,
    )


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in trainer.objective.model.named_parameters()}


class StopAfter(Observer):
    """Raises in the middle of a run, as a crash would."""

    def __init__(self, checkpoints: int) -> None:
        self.left = checkpoints

    def checkpointed(self, folder: Path) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def rising(model: nn.Module) -> dict[str, float]:
    """A validation that gets worse each time it is asked."""
    rising.calls += 1
    return {"nats_per_unit": float(rising.calls)}
