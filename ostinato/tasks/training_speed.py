"""How fast a run trained, over all of its metrics, and how long its updates waited for examples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostinato.training.metrics import read_metrics


@dataclass(frozen=True)
class TrainingSpeed:
    """What a run's updates took, validations and checkpoints left out.

    Args:
        seconds: of all updates.
        updates_per_s, examples_per_s: an example is a row of a batch.
        waiting_share: of these seconds, in which an update waited for its examples.
    """

    seconds: float
    updates_per_s: float
    examples_per_s: float
    waiting_share: float


def speed_of(folder: Path) -> TrainingSpeed | None:
    """The speed of the run in `folder`; None where no metrics tell it."""
    path = folder / "metrics.jsonl"
    records = [one for one in read_metrics(path) if "seconds" in one] if path.is_file() else []
    seconds = sum(one["seconds"] for one in records)
    if not seconds:
        return None
    names = ("updates_per_s", "examples_per_s", "waiting_share")
    return TrainingSpeed(seconds, *(_weighted(records, name) / seconds for name in names))


def _weighted(records: list[dict[str, Any]], name: str) -> float:
    return sum(one[name] * one["seconds"] for one in records)
