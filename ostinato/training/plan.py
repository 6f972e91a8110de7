"""The plain values that a training run follows."""

from dataclasses import dataclass, field
from typing import Literal

import torch

from ostinato.errors import SettingsError
from ostinato.training.averaging import Averaging
from ostinato.training.clipping import Clipping
from ostinato.training.schedules import Schedule


@dataclass(frozen=True)
class TrainingPlan:
    """How long to train, how often to look, and within what limits.

    Args:
        updates: updates of the whole run.
        validate_every: updates between two validations; there is always one at the end.
        checkpoint_every: updates between two checkpoints; validations write one too.
        record_every: updates that one line of metrics sums up.
        clipping: limits of the gradient.
        precision: "32", or "bf16" for bfloat16 autocast.
        micro_batches: the rows of a batch go through in so many slices, one after the other, and
            the gradient is that of the whole batch: less memory, the same result.
        patience: validations in a row without a new best before the run stops early. None: never.
        workers: processes that read ahead. The order of the data does not depend on it.
        checkpoint_seconds: a checkpoint is also written so many seconds after the last. None: not.
    """

    updates: int
    validate_every: int
    checkpoint_every: int
    record_every: int = 10
    clipping: Clipping = field(default_factory=Clipping)
    precision: Literal["32", "bf16"] = "32"
    micro_batches: int = 1
    patience: int | None = None
    workers: int = 0
    checkpoint_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("validate_every", "checkpoint_every", "record_every", "micro_batches"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.updates < 0 or self.workers < 0:
            raise SettingsError("updates and workers must not be negative")
        if self.patience is not None and self.patience < 1:
            raise SettingsError(f"patience must be at least 1 or left out, got {self.patience}")
        if self.checkpoint_seconds is not None and not self.checkpoint_seconds > 0:
            raise SettingsError(
                f"checkpoint_seconds must be greater than 0, got {self.checkpoint_seconds}"
            )
        if self.precision not in ("32", "bf16"):
            raise SettingsError(f'precision must be "32" or "bf16", got {self.precision!r}')


@dataclass
class Optimisation:
    """What turns gradients into updates: optimiser, schedule and, for asgd, the averaging."""

    optimiser: torch.optim.Optimizer
    schedule: Schedule
    averaging: Averaging | None = None

    def __post_init__(self) -> None:
        self.base_rates = [group["lr"] for group in self.optimiser.param_groups]

    def set_rate(self, update: int) -> float:
        """Set the learning rate of update number `update` and return it (the first group's)."""
        factor = self.schedule.factor(update)
        for group, rate in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        return self.base_rates[0] * factor
