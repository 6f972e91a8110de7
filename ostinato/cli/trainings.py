"""What every `train` command does: a run for each of several seeds, and what is told at the end."""

import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ostinato.cli.figures import describe_figures
from ostinato.cli.processes import is_first_process
from ostinato.tasks.settings import TrainingSettings

Settings = TypeVar("Settings", bound=TrainingSettings)

_MUCH_WAITING, _WORTH_ADVICE_S = 0.2, 10.0
"""The share of waiting that advice begins at; of a shorter run it is the start of the workers."""


class TrainedRun(Protocol):
    """What is told of any run: its folder, and where the picture of its losses would be."""

    @property
    def folder(self) -> Path: ...

    @property
    def figure(self) -> Path: ...


def settings_of_seeds(settings: Settings) -> Iterator[Settings]:
    """The settings of each seed's own run."""
    for seed in range(settings.seed, settings.seed + settings.seeds):
        folder = None
        if settings.run is not None:
            folder = settings.run.with_name(f"{settings.run.name}-seed-{seed}")
        yield settings.model_copy(update={"seed": seed, "seeds": 1, "run": folder})


def train_seeds(settings: Settings, train_one: Callable[[Settings], Any]) -> list[dict[str, float]]:
    """One run a seed, each told in a line; the best validation of each (in the first process)."""
    best = []
    for own in settings_of_seeds(settings):
        run: TrainedRun = train_one(own)
        if is_first_process():
            figures = _summary(run).best
            print(f"seed {own.seed}: {run.folder}  {describe_figures(figures)}")
            best.append(figures)
    return best


def print_means(best: Sequence[dict[str, float]], names: Sequence[str]) -> None:
    """Mean and standard deviation (over n - 1) of these figures, of all runs that have them."""
    for name in names:
        values = [figures[name] for figures in best if name in figures]
        if len(values) > 1:
            print(
                f"validation {name} of {len(values)} runs: mean {statistics.mean(values):.4f}, "
                f"standard deviation {statistics.stdev(values):.4f}"
            )


def print_outcome(
    run: TrainedRun, describe: Callable[[dict[str, float]], str] = describe_figures
) -> None:
    """The run's best validation, if it has one, and how fast it trained."""
    summary = _summary(run)
    if summary.best:
        print(
            f"best validation, after update {summary.best_update:,} (its weights are kept): "
            f"{describe(summary.best)}"
        )
    _print_speed(run)


def print_places(run: TrainedRun, column: int = 14) -> None:
    """Where the run and the picture of its losses lie; what lies there begins at this column."""
    print(f"{'run:':{column}}{run.folder}")
    if run.figure.is_file():
        print(f"{'loss picture:':{column}}{run.figure}")
    else:
        print("no loss picture (it needs: pip install 'ostinato[figures]')", file=sys.stderr)


def _print_speed(run: TrainedRun) -> None:
    from ostinato.tasks.training_speed import speed_of

    speed = speed_of(run.folder)
    if speed is None:
        return
    print(
        f"speed: {speed.updates_per_s:.3g} updates/s, {speed.examples_per_s:,.0f} examples/s; "
        f"updates waited for examples {speed.waiting_share:.0%} of the time"
    )
    if speed.waiting_share > _MUCH_WAITING and speed.seconds > _WORTH_ADVICE_S:
        cores = os.cpu_count()
        print(
            f"more --workers would prepare examples while the net is updated (this machine has "
            f"{cores} processor core{'s' * (cores != 1)})"
        )


def _summary(run: TrainedRun) -> Any:
    from ostinato.tasks.run_folder import summarise

    return summarise(run.folder)
