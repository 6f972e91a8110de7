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
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ostinato.errors import CheckpointError, SettingsError
from ostinato.training.metrics import read_metrics

CONFIG = "config.toml"
RECORD = "run.json"
RUNS = Path("runs")
"""Where runs go that were not told where to."""


@dataclass(frozen=True)
class RunSummary:
    """A run in one line: `best` holds the figures of its best validation, empty before the first.

    `state` is "finished", "stopped early" or "unfinished".
    """

    name: str
    task: str
    cell: str
    updates: int
    best: dict[str, float]
    state: str
    modified: datetime


def new_run_folder(wanted: Path | None, name: str) -> Path:
    """The folder of a new run: the one asked for, else runs/<name>-001 or the next that is free.

    Raises:
        SettingsError: the folder asked for holds a run already.
    """
    if wanted is not None:
        refuse_used_folder(wanted)
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


def refuse_used_folder(folder: Path) -> None:
    """Raise SettingsError where a new run cannot go to `folder`."""
    if (folder / CONFIG).exists():
        raise SettingsError(
            f"{folder} holds a run already: continue it with `ostinato resume {folder}`, or "
            "give another --run"
        )
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; --run names a folder")


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
    raise CheckpointError(f"{message}; `ostinato train text` makes one")


def read_record(folder: Path) -> dict[str, Any]:
    """What `run.json` remembers."""
    require_run(folder)
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{folder / RECORD} cannot be read: {problem}") from problem


def list_runs(root: Path) -> list[RunSummary]:
    """The runs right below `root`, the latest first; folders that hold none are passed over."""
    if not root.is_dir():
        return []
    folders = [path.parent for path in root.glob(f"*/{RECORD}")]
    found = [summarise(folder) for folder in folders if (folder / CONFIG).is_file()]
    return sorted(found, key=lambda run: run.modified, reverse=True)


def summarise(folder: Path) -> RunSummary:
    """One line on a run."""
    record = read_record(folder)
    path = folder / "metrics.jsonl"
    metrics = read_metrics(path) if path.is_file() else []
    validations = [line["validation"] for line in metrics if "validation" in line]
    best = min(validations, key=lambda figures: figures["nats_per_unit"], default={})
    updates = max((line.get("update", 0) for line in metrics), default=0)
    newest = max(path.stat().st_mtime for path in folder.iterdir())
    return RunSummary(
        name=folder.name,
        task=record["task"],
        cell=record["cell"],
        updates=updates,
        best=best,
        state=_state(folder, metrics),
        modified=datetime.fromtimestamp(newest),
    )


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
