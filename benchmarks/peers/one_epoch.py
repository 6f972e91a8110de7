"""One pass over the data by our trainer, as what is measured beside a loop by hand."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ostinato.training import (
    Clipping,
    Journal,
    Optimisation,
    Schedule,
    Trainer,
    TrainingPlan,
)


def one_epoch(objective: Any, make_batches: Callable[[], Any]) -> Callable[[], None]:
    """Trains on all batches once, by AdamW at 1e-3; the checkpoint at its end is no part of it.

    Args:
        objective: around the model, as the trainer takes it.
        make_batches: the batches of a pass; they are made anew each time.
    """
    optimiser = torch.optim.AdamW(objective.parameters(), lr=1e-3)

    def work() -> None:
        batches = make_batches()
        updates = len(batches)
        plan = TrainingPlan(updates, updates, updates, clipping=Clipping(norm=1.0))
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder))
            journal.save = lambda *_, **__: Path(folder)
            Trainer(
                objective,
                lambda _: batches,
                plan,
                Optimisation(optimiser, Schedule("constant", updates)),
                journal,
            ).run()

    return work
