"""`ostinato train text` and `ostinato resume`: the run itself, and what is told at its end."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ostinato.cli.parsing import NamedAgain, RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tasks_of_runs import resume_for
from ostinato.cli.trainings import print_means, print_outcome, print_places, train_seeds
from ostinato.tasks.settings import CheckedModel
from ostinato.tasks.text.settings import TextSettings

if TYPE_CHECKING:
    from ostinato.tasks.text.task import Run

_SAMPLE_CHARACTERS = 200
_TOLD = ("bits_per_character", "bits_per_token", "nats_per_token", "perplexity")


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
    cell: NamedAgain = None
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
    from ostinato.tasks.text import task as text

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
    from ostinato.tasks.text import task as text

    with watch_run(settings.unit) as observer:
        return text.train(settings, observer)


def _train_seeds(settings: TextSettings) -> None:
    """One run a seed, then the figures that all runs have."""
    best = train_seeds(settings, _train_one)
    print_means(best, [name for name in _TOLD if all(name in figures for figures in best)])


def _report(run: "Run") -> None:
    """The figures, a sample, and where everything lies."""
    if not is_first_process():
        return
    print_outcome(run)
    print(f"\nA sample of {_SAMPLE_CHARACTERS} characters:\n")
    print(_sample(run))
    print()
    print_places(run)
    print(f"write more:   ostinato generate {run.folder}")


def _sample(run: "Run") -> str:
    written = ""
    for (piece,) in run.stream(length=_SAMPLE_CHARACTERS):
        written += piece
        if len(written) >= _SAMPLE_CHARACTERS:
            break
    return written[:_SAMPLE_CHARACTERS]
