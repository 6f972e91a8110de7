"""`ostinato evaluate`: the figures of a run, for a person or as one line of JSON."""

import json
import math
from typing import Annotated, Literal

import tyro
from pydantic import Field

from ostinato.cli.figures import describe_figures
from ostinato.cli.parsing import RunFolder, parse
from ostinato.errors import SettingsError
from ostinato.tasks.settings import CheckedModel


class EvaluateArguments(CheckedModel):
    """A run, and the text to judge it by."""

    run: RunFolder = Field(description="Folder of the run.")
    data: tuple[str, ...] = Field(
        (),
        description="Other text: files, folders, globs, or - for standard input. None given: the "
        "part of the run's own text that --part names.",
    )
    part: Literal["validation", "test", "train"] | None = Field(
        None, description="Part of the run's own text. None: validation."
    )
    json_line: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = Field(
        False, description="Print one line of JSON and nothing else on standard output."
    )
    cell: str | None = Field(
        None, description="FILE.py:Class once more, for a run with a cell of your own."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute. auto: the GPU if there is one."
    )


def evaluate(arguments: list[str]) -> None:
    """Print how well a run's model predicts a text."""
    options = parse(
        EvaluateArguments,
        arguments,
        command="evaluate",
        description="Figures of a run on its validation text, or on other text.",
    )
    if options.data and options.part:
        raise SettingsError("give --data or --part, not both: other text has no parts")
    from ostinato.cli.progress import unit_of, watch_run
    from ostinato.tasks import text

    with watch_run(unit_of(options.run)) as observer:
        run = text.load_run(options.run, cell=options.cell, device=options.device)
        figures = run.evaluate(
            list(options.data) or None, options.part or "validation", observer=observer
        )
    if options.json_line:
        print(json.dumps({name: _in_json(figure) for name, figure in figures.items()}))
        return
    what = ", ".join(options.data) or f"{options.part or 'validation'} part"
    print(f"{what}: {describe_figures(figures)}, {figures['tokens']:,} tokens")


def _in_json(figure: float) -> float | None:
    """JSON has no infinity, as the perplexity of a model that diverged."""
    return figure if math.isfinite(figure) else None
