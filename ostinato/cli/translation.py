"""`ostinato train translation` and `ostinato translate`; `resume` and `evaluate` of translators."""

import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import Field

from ostinato.cli.evaluate import EvaluateArguments, print_json
from ostinato.cli.parsing import Device, NamedAgain, RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tasks_of_runs import refuse_options
from ostinato.cli.train import ResumeArguments
from ostinato.cli.trainings import print_means, print_outcome, print_places, train_seeds
from ostinato.cli.translation_files import lines_of, pairs_of
from ostinato.errors import SettingsError
from ostinato.tasks.settings import CheckedModel
from ostinato.tasks.translation.settings import TranslationSettings

if TYPE_CHECKING:
    from ostinato.tasks.translation.task import TranslationRun
    from ostinato.tasks.translation.translating import Translation

LinesFile = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
_LINES_AT_ONCE = 1024
_BEAM_SIZE = 5
_LENGTH_PENALTY = 1.0


class TrainTranslationArguments(TranslationSettings):
    """The settings of a translation model, and where to take them from."""

    config: Path | None = Field(
        None, description="TOML file of settings, by their names; options here override it."
    )
    copying: Annotated[bool, tyro.conf.arg(aliases=["--copy"])] = Field(
        False, description=TranslationSettings.model_fields["copying"].description
    )

    def settings(self) -> TranslationSettings:
        """The settings alone."""
        names = TranslationSettings.model_fields
        return TranslationSettings(**{name: getattr(self, name) for name in names})


class TranslateArguments(CheckedModel):
    """A run, what to translate, and how to search."""

    run: RunFolder = Field(description="Folder of the run.")
    file: LinesFile = Field(
        "-",
        description="Sentences to translate, one a line; - for standard input. Of a .tsv or .jsonl "
        "the sources of its pairs or dialogues.",
    )
    source_column: str | None = Field(
        None, description="Column of a .tsv or .jsonl with the source. None: as in the training."
    )
    beam_size: int = Field(
        _BEAM_SIZE, ge=1, description="Unfinished translations kept at each step; 1 is greedy."
    )
    best: int = Field(
        1,
        ge=1,
        description="Translations a sentence, at most the beam's size. More than 1: a line each, "
        "with the sentence's number, a tab, the score, a tab.",
    )
    length_penalty: float = Field(
        _LENGTH_PENALTY,
        ge=0,
        description="Favours longer translations (Wu 2016); 0 ranks by probability alone.",
    )
    minimum_length: int = Field(
        0, ge=0, description="Tokens of a translation at least, its end not counted."
    )
    maximum_length: int | None = Field(
        None,
        ge=1,
        description="Tokens of a translation at most. None: twice the source's and ten more; in "
        "dialogues as many as were learnt from.",
    )
    unrepeated: int | None = Field(
        None, ge=1, description="No sequence of this many tokens twice. None: any may come again."
    )
    keep_unknown: Annotated[bool, tyro.conf.FlagCreatePairsOff] = Field(
        False,
        description="Write <unk> for a word that the model does not know, not the source's word "
        "that it looked at.",
    )
    alignments: Path | None = Field(
        None,
        description="Folder, new or empty, for where each translation looked: a PNG and a JSON a "
        "line. None: not written.",
    )
    cell: NamedAgain = None
    device: Device = "auto"


def train_translation(arguments: list[str]) -> None:
    """Train one run, or one for each of several seeds, and tell what came of it."""
    options = parse(
        TrainTranslationArguments,
        arguments,
        command="train translation",
        description="Train a translation model on pairs of sentences, or of any two sequences.",
        default=defaults_from_config(TrainTranslationArguments, TranslationSettings, arguments),
    )
    settings = options.settings()
    if settings.seeds > 1:
        print_means(train_seeds(settings, _train_one), ("nats_per_token",))
    else:
        _report(_train_one(settings))


def translate(arguments: list[str]) -> None:
    """Print the translation of each line."""
    options = parse(
        TranslateArguments,
        arguments,
        command="translate",
        description="Translate sentences with a run's model, a line each.",
    )
    if options.alignments is not None:
        _refuse_full_folder(options.alignments)
    from ostinato.decoding import Beam
    from ostinato.tasks.translation import task as translation

    beam = Beam(
        options.beam_size,
        options.best,
        options.length_penalty,
        options.minimum_length,
        options.unrepeated,
    )
    run = translation.load_translator(options.run, cell=options.cell, device=options.device)
    _refuse_alignments_of_none(run, options)
    number = 0
    lines = lines_of(options.file, options.source_column, run)
    while some := list(islice(lines, _LINES_AT_ONCE)):
        found = run.search(
            some,
            beam=beam,
            longest=options.maximum_length,
            alignments=options.alignments is not None,
            replace_unknown=not options.keep_unknown,
        )
        for several in found:
            number += 1
            _print(several, number, options.best)
            if options.alignments is not None and several[0].alignment is not None:
                _draw(several[0], options.alignments / f"line-{number}")
        sys.stdout.flush()


def resume_translation(options: ResumeArguments) -> None:
    """Go on with a translation model."""
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.translation import task as translation

    with watch_run("token") as observer:
        run = translation.resume(
            options.run,
            cell=options.cell,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def evaluate_translation(options: EvaluateArguments) -> None:
    """Print how well a translation model translates."""
    refuse_options(options, "translation", "part", "figure")
    if len(options.data) > 1:
        raise SettingsError(f"give one file of pairs, got {len(options.data)}")
    first = options.data[0] if options.data else options.source
    if first is None or (options.source is None) != (options.target is None):
        raise SettingsError(
            "a translation model is judged by sentences and their translations: give --source FILE "
            "and --target FILE, or --data PAIRS.tsv"
        )
    if options.data and options.source is not None:
        raise SettingsError("give --data, or --source and --target, not both")
    columns = options.source_column, options.target_column
    if any(columns) and not options.data:
        raise SettingsError("--source-column and --target-column are for --data, one file of pairs")
    from ostinato.cli.progress import watch_run
    from ostinato.decoding import Beam
    from ostinato.tasks.translation import task as translation

    beam_size = options.beam_size or _BEAM_SIZE
    with watch_run("sentence") as observer:
        run = translation.load_translator(options.run, cell=options.cell, device=options.device)
        pairs = pairs_of(first, options.target, columns, run)
        beam = Beam(beam_size, length_penalty=_LENGTH_PENALTY)
        judgement = run.evaluate(pairs, beam=beam, observer=observer)
    if options.json_line:
        print_json(judgement.figures)
        return
    figures = judgement.figures
    print(
        f"{pairs.name}: BLEU {figures['bleu']:.2f}, chrF {figures['chrf']:.2f}, "
        f"{figures['exact_match']:.1%} exact, {figures['sentences']:,} sentences"
    )
    for name, count, bleu in judgement.by_length:
        print(f"  {name} words: BLEU {bleu:.2f}, {count:,} sentences")
    print(figures["signature"])


def _print(several: "Sequence[Translation]", number: int, best: int) -> None:
    if best == 1:
        print(several[0].text)
        return
    for one in several:
        print(f"{number}\t{one.score:.4f}\t{one.text}")


def _refuse_full_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"--alignments {folder} must be a new or an empty folder")


def _refuse_alignments_of_none(run: "TranslationRun", options: TranslateArguments) -> None:
    if options.alignments is not None and run.settings.model == "plain":
        raise SettingsError(
            f"{options.run} has a plain model, which looks at no token in particular: there are no "
            "alignments to write"
        )


def _draw(one: "Translation", name: Path) -> None:
    """The alignment as data, and as a picture."""
    from ostinato.xray.alignment import alignment_data, draw_alignment

    name.parent.mkdir(parents=True, exist_ok=True)
    data = alignment_data(one.alignment, one.source, one.target)
    text = json.dumps(data, ensure_ascii=False)
    name.with_suffix(".json").write_text(text, encoding="utf-8")
    draw_alignment(one.alignment, one.source, one.target, name.with_suffix(".png"))


def _train_one(settings: TranslationSettings) -> "TranslationRun":
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.translation import task as translation

    with watch_run(settings.unit) as observer:
        return translation.train(settings, observer)


def _report(run: "TranslationRun") -> None:
    """The figures, and where everything lies."""
    if not is_first_process():
        return
    print_outcome(run)
    print_places(run)
    print(f"translate:    ostinato translate {run.folder} FILE")
    if run.settings.history is not None:
        print(f"talk:         ostinato chat {run.folder}")
    print(f"judge:        ostinato evaluate {run.folder} --source FILE --target FILE")
