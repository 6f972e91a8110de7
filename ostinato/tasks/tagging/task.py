"""Tagging, a label for every token: train, resume, tag, evaluate.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

from pathlib import Path
from typing import Any

import torch

from ostinato.data.sorted_pools import Order
from ostinato.data.tagging.batches import TagBatches
from ostinato.data.tagging.codec import TagCodec
from ostinato.errors import MissingExtraError, SettingsError
from ostinato.models import Tagger
from ostinato.tasks.initial_weights import load_initial_weights
from ostinato.tasks.own_cell import cell_title, is_own_cell
from ostinato.tasks.run_folder import refuse_unusable_folder, require_run
from ostinato.tasks.tagging.corpus import CODEC, TaggingCorpus, prepare, prepare_again
from ostinato.tasks.tagging.evaluation import (
    TaggingJudgement,
    evaluate,
    predict,
    validation,
)
from ostinato.tasks.tagging.folder import describe, settings_of
from ostinato.tasks.tagging.model import EMBEDDING_SIZE, build, put_vectors
from ostinato.tasks.tagging.run import TaggingRun
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.training_run import (
    begin_folder,
    build_trainer,
    load_trained,
    settings_elsewhere,
    take_part,
    train_to_the_end,
)
from ostinato.training import Journal, Observer, ThroughLabels, choose_device
from ostinato.training.processes import Processes

__all__ = [
    "Settings",
    "TaggingRun",
    "build",
    "evaluate",
    "load_tagger",
    "predict",
    "prepare",
    "resume",
    "train",
    "train_tagging",
]

Settings = TaggingSettings


def train(settings: TaggingSettings, observer: Observer | None = None) -> TaggingRun:
    """Train a tagger from the start.

    Raises:
        DataError, SettingsError: something in the sentences or the settings.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    refuse_unusable_folder(settings.run)
    # Much can only be refused by building it; so before anything is read.
    words = tuple(("a",) for _ in settings.features)
    counts = tuple((1,) for _ in settings.features)
    build(settings, TagCodec(("a",), (1,), ("a",), ("O", "B"), True, True, words, counts), 4)
    with take_part(settings) as (processes, device):
        corpus = _prepare(settings, observer)
        model = _model(settings, corpus, device, fresh=True)
        folder = begin_folder(
            settings.run,
            f"tagging-{cell_title(settings.cell)}",
            processes,
            lambda folder: describe(folder, settings, corpus, _embedding_size(settings, corpus)),
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
) -> TaggingRun:
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
        fresh = Journal(folder).find() is None
        corpus = prepare_again(folder, settings, observer, vectors=fresh)
        model = _model(settings, corpus, where, fresh=fresh)
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, corpus, processes, observer, resume=True)


def load_tagger(folder: Path | str, *, cell: str | None = None, device: str = "auto") -> TaggingRun:
    """A run's best model, ready to tag and to be judged.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device: where to compute.

    Raises:
        CheckpointError: there is no run of tagging, or it has no checkpoint yet.
    """
    folder = Path(folder)
    settings, codec = settings_of(folder, cell), TagCodec.load(folder / CODEC)
    model = build(settings, codec, settings.embedding_size or EMBEDDING_SIZE)
    load_trained(model, folder)
    return TaggingRun(folder, settings, model.to(choose_device(device)).eval(), codec)


def train_tagging(*, observer: Observer | None = None, **settings: Any) -> TaggingRun:
    """Train a tagger: `train` with the settings as keywords.

    Args:
        observer: hears of everything that happens; None: nobody does.
        settings: the fields of `TaggingSettings`, as data="train.conllu" or updates=500.

    Example:
        >>> run = ostinato.train_tagging(data="train.conllu", updates=500)  # doctest: +SKIP
        >>> run.tag("The dog barks.")  # doctest: +SKIP
        [('The', 'DET'), ('dog', 'NOUN'), ('barks', 'VERB'), ('.', 'PUNCT')]
    """
    return train(TaggingSettings(**settings), observer)


def _prepare(settings: TaggingSettings, observer: Observer) -> TaggingCorpus:
    """With the vocabulary of the run that this one starts from, where it does."""
    if settings.initial_weights is None:
        return prepare(settings, observer)
    require_run(settings.initial_weights)
    own = settings.cell if is_own_cell(settings.cell) else None
    before = settings_of(settings.initial_weights, own)
    if before.features != settings.features:
        raise SettingsError(
            f"features is {' '.join(before.features) or 'none'} in {settings.initial_weights}, "
            "whose model reads these columns: give the same"
        )
    codec = TagCodec.load(settings.initial_weights / CODEC)
    for name in ("lowercase", "digits_alike"):
        if getattr(codec, name) != getattr(settings, name):
            raise SettingsError(
                f"{name} is {getattr(codec, name)} in {settings.initial_weights}, whose words are "
                "known so: give the same"
            )
    return prepare(settings, observer, codec=codec)


def _embedding_size(settings: TaggingSettings, corpus: TaggingCorpus) -> int:
    if corpus.vectors is not None:
        return corpus.vectors.vectors.shape[1]
    return settings.embedding_size or EMBEDDING_SIZE


def _model(
    settings: TaggingSettings, corpus: TaggingCorpus, device: torch.device, *, fresh: bool
) -> Tagger:
    torch.manual_seed(settings.seed)
    model = build(settings, corpus.codec, _embedding_size(settings, corpus))
    if fresh and corpus.vectors is not None:
        put_vectors(model, corpus.codec, corpus.vectors)
    model = model.to(device)
    if fresh and settings.initial_weights is not None:
        load_initial_weights(model, settings.initial_weights, settings)
    return model


def _tell(corpus: TaggingCorpus, settings: TaggingSettings, observer: Observer) -> None:
    """What was read, and how much of a batch is padding."""
    part, codec = corpus.train, corpus.codec
    batches = TagBatches(
        part,
        tokens=settings.batch_tokens,
        sentences=settings.batch_size,
        order=Order(settings.seed),
    )
    held = 0 if corpus.validation is None else len(corpus.validation[0])
    observer.noted(
        f"{len(part):,} sentences ({part.token_count:,} tokens) to train on, {held:,} to validate "
        f"on; {len(codec.labels)} labels, {len(codec.words):,} words; {len(batches):,} updates "
        f"read all; {batches.padding_share:.1%} of a batch is padding"
    )


def _train(
    folder: Path,
    settings: TaggingSettings,
    model: Tagger,
    corpus: TaggingCorpus,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> TaggingRun:
    def batches(epoch: int) -> TagBatches:
        return TagBatches(
            corpus.train,
            tokens=settings.batch_tokens,
            sentences=settings.batch_size,
            order=Order(settings.seed, epoch, processes.rank, processes.world_size),
        )

    held = corpus.validation
    trainer = build_trainer(
        settings,
        ThroughLabels(model),
        batches,
        Journal(folder, corpus.fingerprint),
        validate=validation(held),
        validation_updates=0.0 if held is None else len(held[0]) / settings.batch_size / 3,
        observer=observer,
        processes=processes,
    )
    train_to_the_end(trainer, model, folder, settings, processes, observer, resume=resume)
    run = TaggingRun(folder, settings, model.eval(), corpus.codec)
    if processes.is_first and held is not None:
        _draw_labels(run, evaluate(model, *held))
    return run


def _draw_labels(run: TaggingRun, judgement: TaggingJudgement) -> None:
    """The picture of the labels; left out where matplotlib is not installed."""
    try:
        judgement.draw(run.label_figure, title=f"{run.folder.name}: validation")
    except MissingExtraError:
        return
