"""`ostinato train text` and `ostinato resume`: the run itself, and what is told at its end."""

import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ostinato.cli.figures import describe_figures
from ostinato.cli.parsing import RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tasks_of_runs import resume_for
from ostinato.tasks.settings import CheckedModel
from ostinato.tasks.text_settings import TextSettings

if TYPE_CHECKING:
    from ostinato.tasks.run_folder import RunSummary
    from ostinato.tasks.text import Run

_SAMPLE_CHARACTERS = 200


class TrainTextArguments(TextSettings):
    """The settings of a text model, and where to take them from."""

    config: Path | None = Field(
        None, description="TOML file of settings, by their names; options here override it."
    )

    def settings(self) -> TextSettings:
        """The settings alone."""
        return TextSettings(**{name: getattr(self, name) for name in TextSettings.model_fields})


class ResumeArguments(CheckedModel):
    """A run to go on with, and what may differ this time."""

    run: RunFolder = Field(description="Folder of the run.")
    cell: str | None = Field(
        None, description="FILE.py:Class once more, for a run with a cell of your own."
    )
    device: Literal["auto", "cpu", "cuda"] | None = Field(
        None, description="Where to compute. None: as before."
    )
    threads: int | None = Field(None, gt=0, description="Processor threads. None: as before.")
    workers: int | None = Field(
        None, ge=0, description="Extra processes that read data. None: as before."
    )


def train_text(arguments: list[str]) -> None:
    """Train one run, or one for each of several seeds, and tell what came of it."""
    options = parse(
        TrainTextArguments,
        arguments,
        command="train text",
        description="Train a language model on your own text.",
        default=defaults_from_config(TrainTextArguments, TextSettings, arguments),
    )
    settings = options.settings()
    if settings.seeds > 1:
        _train_seeds(settings)
    else:
        _report(_train_one(settings))


def resume(arguments: list[str]) -> None:
    """Go on with a run and tell what came of it."""
    options = parse(
        ResumeArguments,
        arguments,
        command="resume",
        description="Go on with a run that was stopped; it ends as if it had never been.",
    )
    resume_for(options.run)(options)


def resume_text(options: ResumeArguments) -> None:
    """Go on with a language model."""
    from ostinato.cli.progress import unit_of, watch_run
    from ostinato.tasks import text

    with watch_run(unit_of(options.run)) as observer:
        run = text.resume(
            options.run,
            cell=options.cell,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def _train_one(settings: TextSettings) -> "Run":
    from ostinato.cli.progress import watch_run
    from ostinato.tasks import text

    with watch_run(settings.unit) as observer:
        return text.train(settings, observer)


def _train_seeds(settings: TextSettings) -> None:
    """One run a seed, then mean and deviation of their best validations."""
    best = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        folder = None
        if settings.run is not None:
            folder = settings.run.with_name(f"{settings.run.name}-seed-{seed}")
        run = _train_one(settings.model_copy(update={"seed": seed, "seeds": 1, "run": folder}))
        if is_first_process():
            figures = _summary(run.folder).best
            print(f"seed {seed}: {run.folder}  {describe_figures(figures)}")
            best.append(figures)
    if is_first_process():
        _print_mean(best)


def _print_mean(best: list[dict[str, float]]) -> None:
    """Mean and standard deviation (over n - 1) of every figure that all runs have."""
    for name in ("bits_per_character", "bits_per_token", "nats_per_token", "perplexity"):
        values = [figures[name] for figures in best if name in figures]
        if values and len(values) == len(best):
            mean, deviation = statistics.mean(values), statistics.stdev(values)
            print(
                f"validation {name} of {len(values)} runs: mean {mean:.4f}, "
                f"standard deviation {deviation:.4f}"
            )


def _report(run: "Run") -> None:
    """The figures, a sample, and where everything lies."""
    if not is_first_process():
        return
    summary = _summary(run.folder)
    if summary.best:
        print(
            f"best validation, after update {summary.best_update:,} (its weights are kept): "
            f"{describe_figures(summary.best)}"
        )
    print(f"\nA sample of {_SAMPLE_CHARACTERS} characters:\n")
    print(_sample(run))
    print(f"\nrun:          {run.folder}")
    if run.figure.is_file():
        print(f"loss picture: {run.figure}")
    else:
        print("no loss picture (it needs: pip install 'ostinato[figures]')", file=sys.stderr)
    print(f"write more:   ostinato generate {run.folder}")


def _sample(run: "Run") -> str:
    written = ""
    for (piece,) in run.stream(length=_SAMPLE_CHARACTERS):
        written += piece
        if len(written) >= _SAMPLE_CHARACTERS:
            break
    return written[:_SAMPLE_CHARACTERS]


def _summary(folder: Path) -> "RunSummary":
    from ostinato.tasks.run_folder import summarise

    return summarise(folder)
