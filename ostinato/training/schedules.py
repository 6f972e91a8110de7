"""How the learning rate goes: a factor for each update, a pure function but for the plateau's."""

import math
from dataclasses import dataclass
from typing import Any

from ostinato.errors import SettingsError

SCHEDULES = ("constant", "cosine", "step", "plateau")


@dataclass
class Schedule:
    """The factor that multiplies the learning rate.

    Args:
        kind: "constant"; "cosine": from 1 down to `final` over all updates (Loshchilov 2017);
            "step": times `decay` every `every` updates, from update `start` on; "plateau": times
            `decay` after `patience` validations in a row that did not improve on the best.
        updates: all updates of the run.
        warm_up: updates over which the factor first rises linearly from 0 to 1.
        final: the factor that the cosine ends with.
        decay: what a step or a plateau multiplies by.
        every, start: of the step.
        patience: of the plateau.
    """

    kind: str
    updates: int
    warm_up: int = 0
    final: float = 0.0
    decay: float = 0.5
    every: int = 1
    start: int = 0
    patience: int = 0
    best: float | None = None
    waited: int = 0
    reached: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in SCHEDULES:
            raise SettingsError(f"schedule must be one of {', '.join(SCHEDULES)}, got {self.kind}")
        if self.every < 1:
            raise SettingsError(f"a step schedule needs every >= 1 update, got {self.every}")

    def factor(self, update: int) -> float:
        """The factor of update number `update`, counted from 0."""
        if update < self.warm_up:
            return (update + 1) / (self.warm_up + 1)
        if self.kind == "cosine":
            span = max(1, self.updates - self.warm_up)
            share = min(1.0, (update - self.warm_up) / span)
            return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share))
        if self.kind == "step":
            steps = (update - self.start) // self.every + 1 if update >= self.start else 0
            return self.decay**steps
        return self.reached

    def validated(self, loss: float) -> None:
        """Tell of a validation; only the plateau listens."""
        if self.kind != "plateau":
            return
        if self.best is None or loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.reached, self.waited = self.reached * self.decay, 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "waited": self.waited, "reached": self.reached}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` gave."""
        self.best, self.waited = state["best"], state["waited"]
        self.reached = state["reached"]
