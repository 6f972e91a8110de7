"""`ostinato evaluate`: the figures of a run, for a person or as one line of JSON."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field

from ostinato.cli.figures import describe_figures
from ostinato.cli.parsing import Device, NamedAgain, RunFolder, parse
from ostinato.cli.tasks_of_runs import evaluate_for, refuse_options
from ostinato.errors import SettingsError
from ostinato.tasks.settings import CheckedModel


class EvaluateArguments(CheckedModel):
    """A run, and what to judge it by."""

    run: RunFolder = Field(description="Folder of the run.")
    data: tuple[str, ...] = Field(
        (),
        description="Other text: files, folders, globs, or - for standard input; of a planner a "
        "file of instances as `x y x y ... output i j ...`, or of TSPLIB; of a tagger sentences "
        "with labels. None given: the part of the run's own text that --part names; fixed "
        "instances; the sentences that a tagger was validated on.",
    )
    source: Path | None = Field(
        None, description="Sentences to translate, of a translation model, one a line."
    )
    target: Path | None = Field(None, description="Their translations, line by line.")
    source_column: str | None = Field(
        None,
        description="Column of --data with the source, of a translation model. None: as in its "
        "training.",
    )
    target_column: str | None = Field(None, description="As --source-column, with the target.")
    beam_size: int | None = Field(
        None,
        ge=1,
        description="Unfinished translations, or answers of a planner, kept at each step. None: 5 "
        "for translations; a planner points at the likeliest each time.",
    )
    points: str | None = Field(
        None,
        description="Points of the fixed instances of a planner: a number, or fewest-most as "
        "15-20. None: as many as it was trained on.",
    )
    figure: Path | None = Field(
        None, description="PNG file for F1 by label and which are taken for which; of tagging."
    )
    part: Literal["validation", "test", "train"] | None = Field(
        None, description="Part of the run's own text; of text only. None: validation."
    )
    json_line: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = Field(
        False, description="Print one line of JSON and nothing else on standard output."
    )
    cell: NamedAgain = None
    device: Device = "auto"


TRANSLATION_OPTIONS = ("source", "target", "source_column", "target_column", "beam_size")


def evaluate(arguments: list[str]) -> None:
    """Print how well a run's model does what it was trained for."""
    options = parse(
        EvaluateArguments,
        arguments,
        command="evaluate",
        description="Figures of a run on its own validation data, or on other data.",
    )
    if options.data and options.part:
        raise SettingsError("give --data or --part, not both: other text has no parts")
    from ostinato.tasks.run_folder import read_record

    if options.points and read_record(options.run)["task"] != "planning":
        raise SettingsError("--points is for runs of planning alone")
    evaluate_for(options.run)(options)


def evaluate_text(options: EvaluateArguments) -> None:
    """Print how well a language model predicts a text."""
    refuse_options(options, "text", "figure", *TRANSLATION_OPTIONS)
    from ostinato.cli.progress import unit_of, watch_run
    from ostinato.tasks.text import task as text

    with watch_run(unit_of(options.run)) as observer:
        run = text.load_run(options.run, cell=options.cell, device=options.device)
        figures = run.evaluate(
            list(options.data) or None, options.part or "validation", observer=observer
        )
    if options.json_line:
        print_json(figures)
        return
    what = ", ".join(options.data) or f"{options.part or 'validation'} part"
    print(f"{what}: {describe_figures(figures)}, {figures['tokens']:,} tokens")


def print_json(figures: Mapping[str, Any]) -> None:
    """One line of JSON, which has no infinity, as the perplexity of a model that diverged."""
    finite = {
        name: None if isinstance(figure, float) and not math.isfinite(figure) else figure
        for name, figure in figures.items()
    }
    print(json.dumps(finite))
