"""What every run's folder says of itself: written when it begins, read when it goes on."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from ostinato.checkpoint import write_text
from ostinato.errors import CheckpointError, SettingsError
from ostinato.tasks.own_cell import absolute_cell, is_own_cell, source_hash
from ostinato.tasks.run_folder import CONFIG, RECORD, read_record
from ostinato.tasks.settings import TrainingSettings
from ostinato.tasks.toml import read_toml, write_toml

Settings = TypeVar("Settings", bound=TrainingSettings)


def recorded_settings(
    folder: Path, task: str, settings_class: type[Settings], cell: str | None = None
) -> Settings:
    """The settings of the run of `task` in `folder`.

    Args:
        folder: the run's folder.
        task: as `run.json` names it.
        settings_class: of the task.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        CheckpointError: there is no run of this task.
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    refuse_other_task(folder, task)
    values = read_toml(folder / CONFIG, settings_class)
    return settings_class(**with_cell_named(folder, values, cell))


def refuse_other_task(folder: Path, task: str) -> None:
    """Refuse a folder whose run is of another task.

    Raises:
        CheckpointError: there is no run of this task.
    """
    found = read_record(folder)["task"]
    if found != task:
        raise CheckpointError(
            f"{folder} holds a run of {found}, not of {task}; `ostinato train {task}` makes one"
        )


def with_cell_named(folder: Path, values: dict[str, Any], cell: str | None) -> dict[str, Any]:
    """The values of a run's settings, with the cell where its source lies now.

    Args:
        folder: the run's folder.
        values: as its configuration has them.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    named = values.get("cell", "lstm")
    if not is_own_cell(named):
        if cell is not None and cell != named:
            raise SettingsError(f"{folder} was trained with the cell {named}, not {cell}")
        return values
    if cell is None:
        raise SettingsError(
            f"{folder} was trained with a cell of your own ({named}); its file is Python and is "
            f"run only when you name it: add --cell {named}"
        )
    if source_hash(cell) != read_record(folder)["cell_sha256"]:
        raise SettingsError(
            f"{cell} is not the source that {folder} was trained with (its SHA-256 differs); "
            "give the file as it was"
        )
    return {**values, "cell": cell}


def recorded_cell(name: str) -> dict[str, str | None]:
    """What `run.json` remembers of a cell: its name, and the SHA-256 of a source of one's own."""
    return {"cell": name, "cell_sha256": source_hash(name) if is_own_cell(name) else None}


def write_run(folder: Path, settings: TrainingSettings, record: dict[str, Any], page: str) -> None:
    """Write record, page and settings: the settings last, as they make the folder a run's."""
    write_text(folder / RECORD, json.dumps(record, indent=1))
    write_text(folder / "README.md", page)
    write_text(folder / CONFIG, write_toml(settings))


def found_from_anywhere(
    folder: Path, settings: TrainingSettings, names: Iterable[str]
) -> dict[str, Path | str | None]:
    """The settings of these names, the run's folder and a cell of one's own as absolute paths."""
    paths = {name: getattr(settings, name) for name in names}
    absolute = {n: None if p is None else p.expanduser().absolute() for n, p in paths.items()}
    return {"run": folder.absolute(), "cell": absolute_cell(settings.cell), **absolute}


def refuse_other_data(folder: Path, fingerprint: str) -> None:
    """Raise CheckpointError unless the run in `folder` was trained on data of this SHA-256."""
    known = read_record(folder)["fingerprint"]
    if fingerprint != known:
        raise CheckpointError(
            f"the data of {folder} is not what it was trained on (SHA-256 {known[:12]}..., now "
            f"{fingerprint[:12]}...): going on would not be the same run; to train on the "
            f"new data from these weights, start a run with --initial-weights {folder}"
        )
