"""`ostinato train classification`, `ostinato predict`; `resume` and `evaluate` of classifiers."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from ostinato.data.classification.reading import STANDARD_INPUT, SampleFormat
from ostinato.errors import SettingsError
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.data.classification.samples import Samples
    from ostinato.tasks.classification.task import ClassificationRun, Prediction

SamplesFile = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
_SAMPLES_AT_ONCE = 512
_KEYS = ("accuracy", "balanced_accuracy", "macro_f1", "samples")
_KEYS_OF_LABEL_SETS = ("exact_match", "micro_f1", "macro_f1", "samples")
_TOLD_SHARES = (0.25, 0.5, 0.75, 1.0)


class TrainClassificationArguments(ClassificationSettings):
    """The settings of a classifier, and where to take them from."""

    config: Path | None = Field(
        None, description="TOML file of settings, by their names; options here override it."
    )

    def settings(self) -> ClassificationSettings:
        """The settings alone."""
        names = ClassificationSettings.model_fields
        return ClassificationSettings(**{name: getattr(self, name) for name in names})


class PredictArguments(CheckedModel):
    """A run, and what to classify."""

    run: RunFolder = Field(description="Folder of the run.")
    file: SamplesFile = Field(
        STANDARD_INPUT,
        description="Samples to classify, as in training, classes not read; or .txt, a text a "
        "line; - for standard input: a text a line, or series in the run's own format.",
    )
    json_lines: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = Field(
        False, description="One object a line, with the probability of every class."
    )
    every_step: Annotated[bool, tyro.conf.FlagCreatePairsOff] = Field(
        False,
        description="A line for every step of a sample, as if it ended there: the sample's number, "
        "the step, the class, its probability. Of runs that read one way only.",
    )
    live: Annotated[bool, tyro.conf.FlagCreatePairsOff] = Field(
        False,
        description="Read a step a line as it comes, numbers with commas or white space between or "
        "a piece of a text, an empty line behind each sample; answer each as with --every-step, "
        "for constant work. Of runs that read one way only.",
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Probability from which a label is given, of runs with several labels a "
        "sample. None: the run's own.",
    )
    format: SampleFormat | None = Field(
        None, description="Of the file. None: as its name tells, else as in training."
    )
    cell: NamedAgain = None
    device: Device = "auto"


def train_classification(arguments: list[str]) -> None:
    """Train one run, or one for each of several seeds, and tell what came of it."""
    options = parse(
        TrainClassificationArguments,
        arguments,
        command="train classification",
        description="Train a classifier: one class for a whole text, series or image.",
        default=defaults_from_config(
            TrainClassificationArguments, ClassificationSettings, arguments
        ),
    )
    settings = options.settings()
    if settings.seeds > 1:
        best = train_seeds(settings, _train_one)
        first = "accuracy" if settings.separator is None else "micro_f1"
        print_means(best, (first, "macro_f1"))
    else:
        _report(_train_one(settings))


def predict(arguments: list[str]) -> None:
    """Print the class of each sample and its probability, a line a sample."""
    options = parse(
        PredictArguments,
        arguments,
        command="predict",
        description="Let a run's classifier tell the class of each sample: class, tab, "
        "probability; a line a sample, in the order of the file.",
    )
    from ostinato.tasks.classification import task as classification

    run = classification.load_classifier(options.run, cell=options.cell, device=options.device)
    _refuse_what_the_run_cannot(run, options)
    if options.threshold is not None:
        run.settings = run.settings.model_copy(update={"threshold": options.threshold})
    if options.live:
        _predict_live(run, options)
        return
    done = 0
    for samples in _samples(run, options):
        if options.every_step:
            for steps in run.predict_steps(samples):
                done += 1
                for step, one in enumerate(steps, start=1):
                    _print_step(done, step, one, run, options.json_lines)
        else:
            for one in run.predict(samples):
                _print(one, run, options.json_lines)
        sys.stdout.flush()


def resume_classification(options: ResumeArguments) -> None:
    """Go on with a classifier."""
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.classification import task as classification

    with watch_run("sample") as observer:
        run = classification.resume(
            options.run,
            cell=options.cell,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def evaluate_classification(options: EvaluateArguments) -> None:
    """Print how often a classifier is right."""
    refuse_options(options, "classification", "part", *TRANSLATION_OPTIONS)
    if len(options.data) > 1:
        raise SettingsError(f"give one file of samples, got {len(options.data)}")
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.classification import task as classification

    data = options.data[0] if options.data else None
    with watch_run("sample") as observer:
        run = classification.load_classifier(options.run, cell=options.cell, device=options.device)
        judgement = run.evaluate(data, observer=observer)
        one_way, shown = not run.settings.bidirectional, options.figure is not None
        needed = one_way and (shown or not options.json_line)
        early = run.evaluate_early(data, observer=observer) if needed else None
    what = data or "validation part"
    if options.figure is not None:
        title = f"{run.folder.name}: {what}"
        drawn = [options.figure, _beside(options.figure, "calibration")]
        judgement.draw(drawn[0], title=title)
        judgement.draw_calibration(drawn[1], title=title)
        if early is not None:
            drawn.append(_beside(options.figure, "early"))
            early.draw(drawn[2], title=title)
        print(f"pictures: {', '.join(map(str, drawn))}", file=sys.stderr)
    if options.json_line:
        keys = _KEYS if run.codec.separator is None else _KEYS_OF_LABEL_SETS
        print_json({name: judgement.figures[name] for name in keys})
        return
    figures = judgement.figures
    print(f"{what}: {describe_figures(figures)}, {figures['samples']:,} samples")
    rows = judgement.per_class()
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"  {row.name:{width}}  F1 {row.f1:7.2%}  of {row.count:,}")
    if early is not None:
        after = dict(early.curve)
        told = ", ".join(f"{after[share]:.2%} after {share:.0%}" for share in _TOLD_SHARES)
        print(f"{early.measure.replace('_', ' ')} early: {told} of each sample")
        print(f"needed: {early.needed_share:.0%} of each sample, to be within a point of all of it")


def _refuse_what_the_run_cannot(run: "ClassificationRun", options: PredictArguments) -> None:
    if (options.every_step or options.live) and run.settings.bidirectional:
        raise SettingsError(
            f"{options.run} reads both ways, and so knows the class only at the end: for one after "
            "every step train with --no-bidirectional"
        )
    if options.live and (options.every_step or options.format is not None):
        other = "--every-step" if options.every_step else "--format"
        raise SettingsError(f"--live reads a step a line, and every step: give no {other} with it")
    if options.threshold is not None and run.codec.separator is None:
        raise SettingsError(
            f"--threshold is for runs with several labels a sample, and {options.run} gives one "
            "class: the likeliest"
        )


def _predict_live(run: "ClassificationRun", options: PredictArguments) -> None:
    """Answer each line at once; an empty one ends a sample."""
    from ostinato.data.classification.codec import SeriesCodec
    from ostinato.data.classification.live_steps import lines_of, numbers_of

    live, sample, step = run.live(), 1, 0
    series = run.codec.inputs if isinstance(run.codec.inputs, SeriesCodec) else None

    def tell(one: "Prediction | None") -> None:
        if one is not None:
            _print_step(sample, step, one, run, options.json_lines)
            sys.stdout.flush()

    for place, line in lines_of(options.file):
        if line.strip():
            step += 1
            read = line if series is None else numbers_of(line, place, series.features)
            tell(live.feed(read, place))
        elif step:
            tell(live.finish())
            sample, step = sample + 1, 0
    tell(live.finish())


def _samples(run: "ClassificationRun", options: PredictArguments) -> Iterator["Samples"]:
    """The samples of a file or of standard input, some at a time, as they come."""
    from ostinato.data.classification.samples import collect_pieces

    stream = run.stream(Path(options.file), format=options.format)
    yield from collect_pieces(stream, _SAMPLES_AT_ONCE)


def _beside(figure: Path, what: str) -> Path:
    """classes.png: classes-early.png."""
    return figure.with_name(f"{figure.stem}-{what}{figure.suffix}")


def _print(one: "Prediction", run: "ClassificationRun", as_json: bool) -> None:
    if as_json:
        print(json.dumps(_named(one, run), ensure_ascii=False))
    else:
        print(_told(one, run))


def _print_step(
    sample: int, step: int, one: "Prediction", run: "ClassificationRun", as_json: bool
) -> None:
    if as_json:
        named = {"sample": sample, "step": step, **_named(one, run)}
        print(json.dumps(named, ensure_ascii=False))
    else:
        print(f"{sample}\t{step}\t{_told(one, run)}")


def _named(one: "Prediction", run: "ClassificationRun") -> dict[str, object]:
    """What is known of a sample, for JSON: its class, or its labels."""
    if run.codec.separator is not None:
        return {"labels": list(one.labels), "probabilities": one.probabilities}
    named = one._asdict()
    del named["labels"]
    return named


def _told(one: "Prediction", run: "ClassificationRun") -> str:
    """Class, tab, probability; or labels and their probabilities, as the run's data has them."""
    separator = run.codec.separator
    if separator is None:
        return f"{one.label}\t{one.probability:.4f}"
    chances = separator.join(f"{one.probabilities[label]:.4f}" for label in one.labels)
    return f"{separator.join(one.labels)}\t{chances}"


def _train_one(settings: ClassificationSettings) -> "ClassificationRun":
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.classification import task as classification

    with watch_run(settings.unit) as observer:
        return classification.train(settings, observer)


def _report(run: "ClassificationRun") -> None:
    """The figures, and where everything lies."""
    if not is_first_process():
        return
    print_outcome(run)
    print_places(run, column=17)
    if run.class_figure.is_file():
        print(f"classes picture: {run.class_figure}")
        print(f"calibration:     {run.calibration_figure}")
    if run.early_figure.is_file():
        print(f"early picture:   {run.early_figure}")
    print(f"predict:         ostinato predict {run.folder} FILE")
    print(f"judge:           ostinato evaluate {run.folder} --data FILE")
