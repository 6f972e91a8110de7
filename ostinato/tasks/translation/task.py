"""Translation, and any other task from sequence to sequence: train, resume, translate, evaluate.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

from pathlib import Path
from typing import Any

import torch

from ostinato.data import BatchLimits, PairBatches, PairPart
from ostinato.data.sorted_pools import Order
from ostinato.tasks.initial_weights import load_initial_weights
from ostinato.tasks.run_folder import refuse_unusable_folder, require_run
from ostinato.tasks.training_run import (
    begin_folder,
    build_trainer,
    load_trained,
    settings_elsewhere,
    take_part,
    train_to_the_end,
)
from ostinato.tasks.translation.corpus import (
    TranslationCorpus,
    load_codec,
    prepare,
    prepare_again,
)
from ostinato.tasks.translation.evaluation import score as evaluate
from ostinato.tasks.translation.evaluation import validation
from ostinato.tasks.translation.folder import describe, settings_of
from ostinato.tasks.translation.model import Translator, build, build_for
from ostinato.tasks.translation.run import TranslationRun
from ostinato.tasks.translation.settings import TranslationSettings
from ostinato.tasks.translation.translating import Translation, predict
from ostinato.training import Journal, Observer, ThroughPairs, choose_device
from ostinato.training.processes import Processes

__all__ = [
    "Settings",
    "Translation",
    "TranslationRun",
    "build",
    "evaluate",
    "load_translator",
    "predict",
    "prepare",
    "resume",
    "train",
    "train_translation",
]

Settings = TranslationSettings


def train(settings: TranslationSettings, observer: Observer | None = None) -> TranslationRun:
    """Train a translation model from the start.

    Raises:
        DataError, SettingsError: something in the pairs or the settings.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    refuse_unusable_folder(settings.run)
    build(settings, 4, 4)  # Much can only be refused by building it; so before any pair is read.
    with take_part(settings) as (processes, device):
        corpus = _prepare(settings, observer)
        settings = settings.model_copy(update={"history": corpus.history})
        model = _model(settings, corpus, device, fresh=True)
        folder = begin_folder(
            settings.run,
            f"translation-{settings.model}",
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
) -> TranslationRun:
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


def load_translator(
    folder: Path | str, *, cell: str | None = None, device: str = "auto"
) -> TranslationRun:
    """A run's best model, ready to translate and to be judged.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device: where to compute.

    Raises:
        CheckpointError: there is no run of translation, or it has no checkpoint yet.
    """
    folder = Path(folder)
    settings = settings_of(folder, cell)
    codec = load_codec(folder, settings)
    model = build_for(settings, codec)
    load_trained(model, folder)
    return TranslationRun(folder, settings, model.to(choose_device(device)).eval(), codec)


def train_translation(*, observer: Observer | None = None, **settings: Any) -> TranslationRun:
    """Train a translation model: `train` with the settings as keywords.

    Args:
        observer: hears of everything that happens; None: nobody does.
        settings: the fields of `TranslationSettings`, as data="pairs.tsv" or updates=500.

    Example:
        >>> run = ostinato.train_translation(data="pairs.tsv", updates=500)  # doctest: +SKIP
        >>> run.translate(["Guten Morgen!"])  # doctest: +SKIP
        ['Good morning!']
    """
    return train(TranslationSettings(**settings), observer)


def _prepare(settings: TranslationSettings, observer: Observer) -> TranslationCorpus:
    """With the tokenisers of the run that this one starts from, where it does."""
    if settings.initial_weights is None:
        return prepare(settings, observer)
    require_run(settings.initial_weights)
    return prepare(settings, observer, codec=load_codec(settings.initial_weights, settings))


def _model(
    settings: TranslationSettings,
    corpus: TranslationCorpus,
    device: torch.device,
    *,
    fresh: bool,
) -> Translator:
    torch.manual_seed(settings.seed)
    model = build_for(settings, corpus.codec).to(device)
    if fresh and settings.initial_weights is not None:
        load_initial_weights(model, settings.initial_weights, settings)
    return model


def _limits(settings: TranslationSettings) -> BatchLimits:
    return BatchLimits(settings.batch_tokens, settings.batch_size)


def _tell(corpus: TranslationCorpus, settings: TranslationSettings, observer: Observer) -> None:
    """What was read, what was left out, and how much of a batch is padding."""
    part = corpus.train
    batches = PairBatches(part, _limits(settings), order=Order(settings.seed))
    held = 0 if corpus.validation is None else len(corpus.validation)
    observer.noted(
        f"{len(part):,} pairs to train on, {held:,} to validate on; {len(batches):,} updates read "
        f"all; {batches.padding_share:.1%} of a batch is padding"
    )
    if part.too_long:
        observer.noted(
            f"{part.too_long:,} pairs have a side of more than {settings.longest} tokens and are "
            "left out (--longest)"
        )
    if part.blank:
        what = "are empty on both sides" if corpus.history is None else "hold no answer"
        observer.noted(f"{part.blank:,} lines {what} and are left out")
    if corpus.history is not None:
        observer.noted(
            f"the pairs are turns of dialogues and their answers; each is read with up to "
            f"{corpus.history} turns before it (--history)"
        )


def _train(
    folder: Path,
    settings: TranslationSettings,
    model: Translator,
    corpus: TranslationCorpus,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> TranslationRun:
    def batches(epoch: int) -> PairBatches:
        return PairBatches(
            corpus.train,
            _limits(settings),
            order=Order(settings.seed, epoch, processes.rank, processes.world_size),
        )

    trainer = build_trainer(
        settings,
        ThroughPairs(model),
        batches,
        Journal(folder, corpus.fingerprint),
        validate=validation(corpus.validation),
        validation_updates=_validation_updates(settings, corpus.validation),
        observer=observer,
        processes=processes,
    )
    train_to_the_end(trainer, model, folder, settings, processes, observer, resume=resume)
    return TranslationRun(folder, settings, model.eval(), corpus.codec)


def _validation_updates(settings: TranslationSettings, part: PairPart | None) -> float:
    """How many updates read as many tokens as a validation does."""
    return 0.0 if part is None else part.counted_targets / settings.batch_tokens
