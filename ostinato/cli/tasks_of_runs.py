"""What `resume` and `evaluate` call for each task that a run's folder can name.

A new task is a line in each table, and functions that take the command's options.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ostinato.errors import CheckpointError, SettingsError

_RESUME = {
    "text": ("ostinato.cli.train", "resume_text"),
    "classification": ("ostinato.cli.classification", "resume_classification"),
    "planning": ("ostinato.cli.planning", "resume_planning"),
    "tagging": ("ostinato.cli.tagging", "resume_tagging"),
    "translation": ("ostinato.cli.translation", "resume_translation"),
    "forecasting": ("ostinato.cli.forecasting", "resume_forecasting"),
}
_EVALUATE = {
    "text": ("ostinato.cli.evaluate", "evaluate_text"),
    "classification": ("ostinato.cli.classification", "evaluate_classification"),
    "planning": ("ostinato.cli.planning", "evaluate_planning"),
    "tagging": ("ostinato.cli.tagging", "evaluate_tagging"),
    "translation": ("ostinato.cli.translation", "evaluate_translation"),
    "forecasting": ("ostinato.cli.forecasting", "evaluate_forecasting"),
}


def resume_for(run: Path) -> Callable[[Any], None]:
    """What goes on with this run, given the options of `resume`."""
    return _of_task(run, _RESUME)


def evaluate_for(run: Path) -> Callable[[Any], None]:
    """What judges this run, given the options of `evaluate`."""
    return _of_task(run, _EVALUATE)


def refuse_options(options: Any, task: str, *names: str) -> None:
    """Raise SettingsError where an option was given that runs of this task do not have."""
    for name in names:
        if getattr(options, name) not in (None, (), False):
            raise SettingsError(f"--{name.replace('_', '-')} is not for runs of {task}")


def _of_task(run: Path, table: dict[str, tuple[str, str]]) -> Callable[[Any], None]:
    from ostinato.tasks.run_folder import read_record

    task = read_record(run)["task"]
    if task not in table:
        raise CheckpointError(
            f"{run} holds a run of {task!r}, which this version of Ostinato does not know; it "
            f"knows {', '.join(table)}"
        )
    home, function = table[task]
    return getattr(import_module(home), function)
