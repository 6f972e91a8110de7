"""`ostinato runs`, and how a table is printed."""

import sys
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field
from rich import box
from rich.console import Console
from rich.table import Table

from ostinato.cli.parsing import parse
from ostinato.errors import SettingsError
from ostinato.tasks.settings import CheckedModel

_WIDTH_IN_FILES = 200


class RunsArguments(CheckedModel):
    """The folder whose runs are listed."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")] = Field(
        Path("runs"), description="Folder that holds the runs."
    )


def runs(arguments: list[str]) -> None:
    """Print the runs of a folder, the latest first."""
    options = parse(
        RunsArguments,
        arguments,
        command="runs",
        description="Table of the runs in a folder, with their best figure.",
    )
    if not options.folder.is_dir():
        raise SettingsError(
            f"there is no folder {options.folder} (looked in {Path.cwd()}); "
            "`ostinato train text` makes runs"
        )
    from ostinato.tasks.run_folder import list_runs

    found = list_runs(options.folder)
    if not found:
        print(f"no runs in {options.folder}")
        return
    table = empty_table("run", "task", "cell", "updates", "best validation", "state", "last change")
    for run in found:
        table.add_row(
            run.name,
            run.task,
            run.cell,
            f"{run.updates:,}",
            _best_figure(run.best),
            run.state,
            f"{run.modified:%Y-%m-%d %H:%M}",
        )
    print_table(table)
    for run in found:
        if run.damage:
            print(f"note: {run.damage}", file=sys.stderr)


def _best_figure(figures: dict[str, float]) -> str:
    """The one figure that can be compared over all tokenisers, where there is one."""
    if "bits_per_character" in figures:
        return f"{figures['bits_per_character']:.3f} bits/character"
    if "span_f1" in figures:
        return f"span F1 {figures['span_f1']:.2%}"
    if "micro_f1" in figures:
        return f"micro F1 {figures['micro_f1']:.2%}"
    if "macro_f1" in figures:
        return f"{figures['accuracy']:.2%} of the samples"
    if "accuracy" in figures and "tokens" in figures:
        return f"{figures['accuracy']:.2%} of the labels"
    if "accuracy" in figures:
        return f"{figures['accuracy']:.1%} exact"
    if "nats_per_unit" in figures:
        return f"{figures['nats_per_unit']:.4f} nats"
    return "none yet"


def empty_table(*columns: str) -> Table:
    """A table with these columns; figures stand at the right."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        right = column in ("updates", "best validation")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def print_table(table: Table) -> None:
    """As wide as the terminal; in a file or a pipe as wide as it needs, for no line to be cut."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_IN_FILES)
    console.print(table)
