"""`ostinato train tagging` and `ostinato tag`; `resume` and `evaluate` of taggers."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import Field

from ostinato.cli.evaluate import (
    TRANSLATION_OPTIONS,
    EvaluateArguments,
    print_json,
)
from ostinato.cli.figures import describe_figures
from ostinato.cli.parsing import Device, NamedAgain, RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tasks_of_runs import refuse_options
from ostinato.cli.train import ResumeArguments
from ostinato.cli.trainings import print_means, print_outcome, print_places, train_seeds
from ostinato.errors import SettingsError
from ostinato.tasks.settings import CheckedModel
from ostinato.tasks.tagging.settings import TaggingSettings

if TYPE_CHECKING:
    from ostinato.data.tagging.sentences import Sentence
    from ostinato.tasks.tagging.task import TaggingRun

SentencesFile = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
_SENTENCES_AT_ONCE = 512
_KEYS = ("accuracy", "span_f1", "span_precision", "span_recall", "tokens")


class TrainTaggingArguments(TaggingSettings):
    """The settings of a tagger, and where to take them from."""

    config: Path | None = Field(
        None, description="TOML file of settings, by their names; options here override it."
    )

    def settings(self) -> TaggingSettings:
        """The settings alone."""
        names = TaggingSettings.model_fields
        return TaggingSettings(**{name: getattr(self, name) for name in names})


class TagArguments(CheckedModel):
    """A run, and what to tag."""

    run: RunFolder = Field(description="Folder of the run.")
    file: SentencesFile = Field(
        "-", description="Sentences to tag; - for standard input. Labels that it has are not read."
    )
    format: Literal["text", "tokens", "conllu", "columns", "tsv"] | None = Field(
        None,
        description="text: a sentence a line, cut into words and punctuation marks; tokens: a "
        "sentence a line, tokens between white space; else as in training. None: as the file's "
        "name ends, else text.",
    )
    token_column: int | None = Field(
        None,
        gt=0,
        description="Column of the tokens, from 1. None: the first; of CoNLL-U the form.",
    )
    cell: NamedAgain = None
    device: Device = "auto"


def train_tagging(arguments: list[str]) -> None:
    """Train one run, or one for each of several seeds, and tell what came of it."""
    options = parse(
        TrainTaggingArguments,
        arguments,
        command="train tagging",
        description="Train a tagger: a label for every token of a sentence.",
        default=defaults_from_config(TrainTaggingArguments, TaggingSettings, arguments),
    )
    settings = options.settings()
    if settings.seeds > 1:
        best = train_seeds(settings, _train_one)
        print_means(best, ("accuracy", "span_f1"))
    else:
        _report(_train_one(settings))


def tag(arguments: list[str]) -> None:
    """Print each token with its label, an empty line between sentences."""
    options = parse(
        TagArguments,
        arguments,
        command="tag",
        description="Label every token with a run's tagger: token, tab, label; an empty line "
        "between sentences.",
    )
    if options.token_column is not None and options.format in ("text", "tokens"):
        raise SettingsError(f"token_column is for files with columns, not for {options.format}")
    from ostinato.tasks.tagging import task as tagging

    run = tagging.load_tagger(options.run, cell=options.cell, device=options.device)
    waiting, first = _sentences(options, run), True
    while some := list(islice(waiting, _SENTENCES_AT_ONCE)):
        for sentence, labels in zip(some, run.tag_sentences(some), strict=True):
            rows = [
                f"{token}\t{label}" for token, label in zip(sentence.tokens, labels, strict=True)
            ]
            print("\n".join(rows) if first else "\n" + "\n".join(rows))
            first = False
        sys.stdout.flush()


def resume_tagging(options: ResumeArguments) -> None:
    """Go on with a tagger."""
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.tagging import task as tagging

    with watch_run("token") as observer:
        run = tagging.resume(
            options.run,
            cell=options.cell,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def evaluate_tagging(options: EvaluateArguments) -> None:
    """Print how often a tagger is right."""
    refuse_options(options, "tagging", "part", *TRANSLATION_OPTIONS)
    if len(options.data) > 1:
        raise SettingsError(f"give one file of sentences, got {len(options.data)}")
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.tagging import task as tagging

    data = options.data[0] if options.data else None
    with watch_run("token") as observer:
        run = tagging.load_tagger(options.run, cell=options.cell, device=options.device)
        judgement = run.evaluate(data, observer=observer)
    if options.figure is not None:
        judgement.draw(options.figure, title=f"{run.folder.name}: {data or 'validation'}")
        print(f"picture: {options.figure}", file=sys.stderr)
    figures = {name: judgement.figures[name] for name in _KEYS}
    if options.json_line:
        print_json(figures)
        return
    told = {name: figure for name, figure in figures.items() if figure is not None}
    print(f"{data or 'validation part'}: {describe_figures(told)}, {figures['tokens']:,} tokens")
    width = max(len(row.name) for row in judgement.per_label())
    for row in judgement.per_label():
        print(f"  {row.name:{width}}  F1 {row.f1:7.2%}  of {row.count:,}")


def _sentences(options: TagArguments, run: "TaggingRun") -> Iterator["Sentence"]:
    """The sentences of a file or of standard input, as they come."""
    from ostinato.data.tagging.formats import format_of, layout_of
    from ostinato.data.tagging.reading import sentences_of
    from ostinato.data.tagging.running_text import sentences_of_text

    path = Path(options.file)
    found = options.format or (None if options.file == "-" else format_of(path)) or "text"
    features = run.settings.features
    if features and found != run.own_format:
        raise SettingsError(
            f"{options.run} reads the columns {' '.join(features)} beside each token: give a file "
            f"of the format {run.own_format} that has them, not {found} (format)"
        )
    lines = _lines(options.file)
    if found == "text" or found == "tokens":
        return sentences_of_text(lines, pretokenised=found == "tokens")
    name = "standard input" if options.file == "-" else options.file
    column = options.token_column or (run.settings.token_column if features else None)
    layout = layout_of(path, format=found, token_column=column, features=features)
    return sentences_of(lines, name, layout, labelled=False)


def _lines(file: str) -> Iterator[str]:
    """The lines of a file or of standard input, as they come."""
    from ostinato.data.tagging.reading import find_file
    from ostinato.data.text_lines import lines_of_stdin, read_lines
    from ostinato.data.text_reading import Meter

    if file == "-":
        yield from lines_of_stdin("tag")
        return
    source = find_file(Path(file))
    yield from read_lines(source, Meter(None, [source], ""))


def _train_one(settings: TaggingSettings) -> "TaggingRun":
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.tagging import task as tagging

    with watch_run(settings.unit) as observer:
        return tagging.train(settings, observer)


def _report(run: "TaggingRun") -> None:
    """The figures, and where everything lies."""
    if not is_first_process():
        return
    print_outcome(run)
    print_places(run, column=16)
    if run.label_figure.is_file():
        print(f"labels picture: {run.label_figure}")
    print(f"tag:            ostinato tag {run.folder} FILE")
    print(f"judge:          ostinato evaluate {run.folder} --data FILE")
