"""What every run's folder says of itself: written when it begins, read when it goes on."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from ostinato.checkpoint import write_text
from ostinato.errors import CheckpointError
from ostinato.tasks.run_folder import CONFIG, RECORD, read_record
from ostinato.tasks.settings import TrainingSettings
from ostinato.tasks.toml import read_toml, write_toml

Settings = TypeVar("Settings", bound=TrainingSettings)


def recorded_settings(folder: Path, task: str, settings_class: type[Settings]) -> Settings:
    """The settings of the run of `task` in `folder`.

    Raises:
        CheckpointError: there is no run of this task.
    """
    found = read_record(folder)["task"]
    if found != task:
        raise CheckpointError(
            f"{folder} holds a run of {found}, not of {task}; `ostinato train {task}` makes one"
        )
    return settings_class(**read_toml(folder / CONFIG, settings_class))


def write_run(folder: Path, settings: TrainingSettings, record: dict[str, Any], page: str) -> None:
    """Write record, page and settings: the settings last, as they make the folder a run's."""
    write_text(folder / RECORD, json.dumps(record, indent=1))
    write_text(folder / "README.md", page)
    write_text(folder / CONFIG, write_toml(settings))


def found_from_anywhere(
    folder: Path, settings: TrainingSettings, names: Iterable[str]
) -> dict[str, Path | None]:
    """The settings of these names and the run's folder as absolute paths, or None."""
    paths = {name: getattr(settings, name) for name in names}
    absolute = {n: None if p is None else p.expanduser().absolute() for n, p in paths.items()}
    return {"run": folder.absolute(), **absolute}


def refuse_other_data(folder: Path, fingerprint: str) -> None:
    """Raise CheckpointError unless the run in `folder` was trained on data of this SHA-256."""
    known = read_record(folder)["fingerprint"]
    if fingerprint != known:
        raise CheckpointError(
            f"the data of {folder} is not what it was trained on (SHA-256 {known[:12]}..., now "
            f"{fingerprint[:12]}...): going on would not be the same run; to train on the "
            f"new data from these weights, start a run with --initial-weights {folder}"
        )
