"""Classification, one class for a whole sample: train, resume, predict, evaluate.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

from pathlib import Path
from typing import Any

import torch

from ostinato.data.classification.batches import SampleBatches
from ostinato.data.classification.codec import SampleCodec
from ostinato.data.classification.part import SamplePart
from ostinato.data.sorted_pools import Order
from ostinato.errors import MissingExtraError, SettingsError
from ostinato.models import Classifier
from ostinato.tasks.classification.corpus import ClassificationCorpus, prepare, prepare_again
from ostinato.tasks.classification.early import evaluate_early
from ostinato.tasks.classification.evaluation import (
    evaluate,
    predict,
    validation,
)
from ostinato.tasks.classification.folder import describe, settings_of
from ostinato.tasks.classification.model import build, build_layer
from ostinato.tasks.classification.run import ClassificationRun, Prediction
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.initial_weights import load_initial_weights
from ostinato.tasks.own_cell import cell_title, is_own_cell
from ostinato.tasks.run_folder import refuse_unusable_folder, require_run
from ostinato.tasks.training_run import (
    begin_folder,
    build_trainer,
    load_trained,
    settings_elsewhere,
    take_part,
    train_to_the_end,
)
from ostinato.training import Journal, Observer, ThroughSamples, choose_device
from ostinato.training.processes import Processes

__all__ = [
    "ClassificationRun",
    "Prediction",
    "Settings",
    "build",
    "evaluate",
    "load_classifier",
    "predict",
    "prepare",
    "resume",
    "train",
    "train_classification",
]

Settings = ClassificationSettings


def train(settings: ClassificationSettings, observer: Observer | None = None) -> ClassificationRun:
    """Train a classifier from the start.

    Raises:
        DataError, SettingsError: something in the samples or the settings.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    refuse_unusable_folder(settings.run)
    build_layer(settings, 1)  # What only building refuses is refused before anything is read.
    with take_part(settings) as (processes, device):
        corpus = _prepare(settings, observer)
        model = _model(settings, corpus, device, fresh=True)
        folder = begin_folder(
            settings.run,
            f"classification-{cell_title(settings.cell)}",
            processes,
            lambda folder: describe(folder, settings, corpus),
        )
        _tell(corpus, settings, observer)
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, corpus, processes, observer, resume=False)


def resume(
    folder: Path | str,
    *,
    cell: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
) -> ClassificationRun:
    """Go on with a run that was stopped; it ends as if it had never been.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device, threads, workers: other than the run's own; None: the same.
        observer: hears of everything that happens.
    """
    observer = observer or Observer()
    folder = Path(folder)
    settings = settings_of(folder, cell)
    settings = settings_elsewhere(settings, device, threads, workers)
    with take_part(settings) as (processes, where):
        corpus = prepare_again(folder, settings, observer)
        model = _model(settings, corpus, where, fresh=Journal(folder).find() is None)
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, corpus, processes, observer, resume=True)


def load_classifier(
    folder: Path | str, *, cell: str | None = None, device: str = "auto"
) -> ClassificationRun:
    """A run's best model, ready to classify and to be judged.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device: where to compute.

    Raises:
        CheckpointError: there is no run of classification, or it has no checkpoint yet.
    """
    folder = Path(folder)
    settings, codec = settings_of(folder, cell), SampleCodec.load(folder)
    model = build(settings, codec)
    load_trained(model, folder)
    return ClassificationRun(folder, settings, model.to(choose_device(device)).eval(), codec)


def train_classification(*, observer: Observer | None = None, **settings: Any) -> ClassificationRun:
    """Train a classifier: `train` with the settings as keywords.

    Args:
        observer: hears of everything that happens; None: nobody does.
        settings: the fields of `ClassificationSettings`, as data="names.csv" or updates=500.

    Example:
        >>> run = ostinato.train_classification(data="names.csv", updates=500)  # doctest: +SKIP
        >>> run.predict(["Papadopoulos"])[0].label  # doctest: +SKIP
        'Greek'
    """
    return train(ClassificationSettings(**settings), observer)


_READ_SO = (
    *("tokens", "lowercase", "part_marks", "scale", "fold", "permutation", "separator"),
    *("image_steps", "patch_size", "image_size", "colour"),
)


def _prepare(settings: ClassificationSettings, observer: Observer) -> ClassificationCorpus:
    """With the codec of the run that this one starts from, where it does."""
    if settings.initial_weights is None:
        return prepare(settings, observer)
    require_run(settings.initial_weights)
    own = settings.cell if is_own_cell(settings.cell) else None
    before = settings_of(settings.initial_weights, own)
    for name in _READ_SO:
        if getattr(before, name) != getattr(settings, name):
            raise SettingsError(
                f"{name} is {getattr(before, name)} in {settings.initial_weights}, whose model "
                "reads samples so: give the same"
            )
    return prepare(settings, observer, codec=SampleCodec.load(settings.initial_weights))


def _model(
    settings: ClassificationSettings,
    corpus: ClassificationCorpus,
    device: torch.device,
    *,
    fresh: bool,
) -> Classifier:
    torch.manual_seed(settings.seed)
    model = build(settings, corpus.codec).to(device)
    if fresh and settings.initial_weights is not None:
        load_initial_weights(model, settings.initial_weights, settings)
    return model


def _tell(
    corpus: ClassificationCorpus, settings: ClassificationSettings, observer: Observer
) -> None:
    """What was read, and how much of a batch is padding."""
    part, codec = corpus.train, corpus.codec
    batches = SampleBatches(
        part, steps=settings.batch_steps, samples=settings.batch_size, order=Order(settings.seed)
    )
    held = 0 if corpus.validation is None else len(corpus.validation)
    lengths = part.inputs.lengths
    observer.noted(
        f"{len(part):,} samples to train on, {held:,} to validate on, of {len(codec.classes)} "
        f"classes; {lengths.min():,} to {lengths.max():,} steps each; {len(batches):,} updates "
        f"read all; {batches.padding_share:.1%} of a batch is padding"
    )


def _train(
    folder: Path,
    settings: ClassificationSettings,
    model: Classifier,
    corpus: ClassificationCorpus,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> ClassificationRun:
    def batches(epoch: int) -> SampleBatches:
        return SampleBatches(
            corpus.train,
            steps=settings.batch_steps,
            samples=settings.batch_size,
            order=Order(settings.seed, epoch, processes.rank, processes.world_size),
        )

    held = corpus.validation
    trainer = build_trainer(
        settings,
        ThroughSamples(model),
        batches,
        Journal(folder, corpus.fingerprint),
        validate=validation(held, settings.merit, settings.threshold),
        # A validation needs no gradient: about a third of the time.
        validation_updates=0.0 if held is None else len(held) / settings.batch_size / 3,
        observer=observer,
        processes=processes,
    )
    train_to_the_end(trainer, model, folder, settings, processes, observer, resume=resume)
    run = ClassificationRun(folder, settings, model.eval(), corpus.codec)
    if processes.is_first and held is not None:
        _draw(run, held)
    return run


def _draw(run: ClassificationRun, held: SamplePart) -> None:
    """The pictures of a run by its own validation; left out where matplotlib is not installed."""
    title, threshold = f"{run.folder.name}: validation", run.settings.threshold
    judgement = evaluate(run.model, held, threshold=threshold)
    try:
        judgement.draw(run.class_figure, title=title)
        judgement.draw_calibration(run.calibration_figure, title=title)
        if not run.settings.bidirectional:
            early = evaluate_early(run.model, held, threshold=threshold)
            early.draw(run.early_figure, title=title)
    except MissingExtraError:
        return
