"""A run's folder: what was asked for, what came of it, and the way back to it.

RUN/config.toml      the settings
RUN/run.json         task, data's fingerprint, hash of an own cell's source
RUN/README.md        the same for a person
RUN/tokeniser.json   (text)
RUN/metrics.jsonl    figures as they came
RUN/checkpoints/     last and best
RUN/figures/         pictures
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ostinato.errors import CheckpointError, SettingsError
from ostinato.training.comparison import compared
from ostinato.training.metrics import read_metrics

CONFIG = "config.toml"
RECORD = "run.json"
RUNS = Path("runs")
"""Where runs go that were not told where to."""
_IN_EVERY_RECORD = {"task", "cell", "fingerprint", "sources"}


@dataclass(frozen=True)
class RunSummary:
    """A run in one line: `best` holds the figures of its best validation, empty before the first.

    `best_update` is the number of the update it came after. `state` is "finished", "stopped early",
    "unfinished" or "damaged (run.json)"; `damage` says what is wrong then, and the rest is empty.
    """

    name: str
    task: str
    cell: str
    updates: int
    best: dict[str, float]
    best_update: int | None
    state: str
    modified: datetime
    damage: str = ""


def new_run_folder(wanted: Path | None, name: str) -> Path:
    """The folder of a new run: the one asked for, else runs/<name>-001 or the next that is free.

    Raises:
        SettingsError: the folder asked for holds a run already, or cannot be.
    """
    refuse_unusable_folder(wanted)
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    number = 1
    while True:
        folder = RUNS / f"{name}-{number:03d}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def refuse_unusable_folder(wanted: Path | None) -> None:
    """Raise SettingsError where no new run can go to `wanted`, or where runs go by themselves."""
    if wanted is not None and (wanted / CONFIG).exists():
        raise SettingsError(
            f"{wanted} holds a run already: continue it with `ostinato resume {wanted}`, or "
            "give another --run"
        )
    folder = RUNS if wanted is None else wanted
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise SettingsError(
            f"{there} is a file, so that {folder} cannot be a folder: give another --run"
        )
    if not os.access(there, os.W_OK):
        raise SettingsError(f"{there} cannot be written to: give another --run")


def require_run(folder: Path) -> None:
    """Raise CheckpointError unless `folder` holds a run; names the one that may be meant."""
    if (folder / CONFIG).is_file():
        return
    message = f"{folder} holds no run (no {CONFIG} there)"
    meant = RUNS / folder.name
    if (meant / CONFIG).is_file():
        raise CheckpointError(f"{message}; did you mean {meant}?")
    for parent in (folder.parent, RUNS):
        known = [str(parent / run.name) for run in list_runs(parent)]
        if known:
            raise CheckpointError(f"{message}; there are {', '.join(known[:8])}")
    raise CheckpointError(f"{message}; `ostinato train` makes one")


def read_record(folder: Path) -> dict[str, Any]:
    """What `run.json` remembers.

    Raises:
        CheckpointError: there is no run, or its record is damaged.
    """
    require_run(folder)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{folder / RECORD} is damaged: {problem}") from problem
    if not isinstance(record, dict) or _IN_EVERY_RECORD - record.keys():
        raise CheckpointError(f"{folder / RECORD} is damaged: it is not what was written")
    return record


def list_runs(root: Path) -> list[RunSummary]:
    """The runs right below `root`, the latest first; folders that hold none are passed over.

    A run whose record is damaged is among them, and said to be.
    """
    if not root.is_dir():
        return []
    folders = [path.parent for path in root.glob(f"*/{RECORD}")]
    found = [_summarise_any(folder) for folder in folders if (folder / CONFIG).is_file()]
    return sorted(found, key=lambda run: run.modified, reverse=True)


def summarise(folder: Path) -> RunSummary:
    """One line on a run.

    Raises:
        CheckpointError: its record is damaged.
    """
    record = read_record(folder)
    path = folder / "metrics.jsonl"
    metrics = read_metrics(path) if path.is_file() else []
    validations = [line for line in metrics if "validation" in line]
    best = min(validations, key=lambda line: compared(line["validation"]), default={})
    return RunSummary(
        name=folder.name,
        task=record["task"],
        cell=record["cell"],
        updates=max((line.get("update", 0) for line in metrics), default=0),
        best=best.get("validation", {}),
        best_update=best.get("update"),
        state=_state(folder, metrics),
        modified=_modified(folder),
    )


def _summarise_any(folder: Path) -> RunSummary:
    """One line on a run, of which one may not be able to say more than that it is damaged."""
    try:
        return summarise(folder)
    except CheckpointError as problem:
        state = f"damaged ({RECORD})"
        return RunSummary(
            folder.name, "?", "?", 0, {}, None, state, _modified(folder), damage=str(problem)
        )


def _modified(folder: Path) -> datetime:
    """When the newest of the files in a run's folder was written."""
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in folder.iterdir()))


def _state(folder: Path, metrics: list[dict[str, Any]]) -> str:
    if metrics and metrics[-1].get("stopped_early"):
        return "stopped early"
    return "finished" if _finished(folder) else "unfinished"


def _finished(folder: Path) -> bool:
    pointer = folder / "checkpoints" / "last"
    if not pointer.is_file():
        return False
    manifest = folder / "checkpoints" / pointer.read_text().strip() / "manifest.json"
    try:
        return bool(json.loads(manifest.read_text())["content"]["finished"])
    except (OSError, ValueError, KeyError):
        return False
