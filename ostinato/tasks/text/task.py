"""Language models of a person's own text: train, resume, evaluate, generate.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ostinato.data import Corpus, TokenPart, TokenWindows, load_tokeniser
from ostinato.layers import CausalTransformer
from ostinato.models import LanguageModel
from ostinato.tasks.initial_weights import load_initial_weights
from ostinato.tasks.recurrent import build_recurrent
from ostinato.tasks.run_folder import refuse_unusable_folder, require_run
from ostinato.tasks.text.corpus import prepare, prepare_again, prepare_in_turn
from ostinato.tasks.text.evaluation import evaluate, validation
from ostinato.tasks.text.folder import describe, settings_of
from ostinato.tasks.text.run import Run
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.text.writing import predict
from ostinato.tasks.training_run import (
    begin_folder,
    build_trainer,
    load_trained,
    settings_elsewhere,
    take_part,
    train_to_the_end,
)
from ostinato.tasks.transformer_settings import transformer_options
from ostinato.training import (
    Journal,
    Observer,
    ThroughTime,
    WindowByWindow,
    choose_device,
)
from ostinato.training.processes import Processes

__all__ = [
    "Run",
    "Settings",
    "build",
    "evaluate",
    "load_run",
    "predict",
    "prepare",
    "resume",
    "train",
    "train_text",
]

Settings = TextSettings


def build(settings: TextSettings, vocabulary_size: int) -> LanguageModel:
    """The model that the settings describe, its weights drawn anew."""
    size = settings.embedding_size or settings.projection_size or settings.hidden_size
    transformer = settings.model == "transformer"
    return LanguageModel(
        vocabulary_size,
        size,
        _build_transformer(settings) if transformer else build_recurrent(settings, size),
        tied=settings.tied,
        adaptive_cutoffs=list(settings.adaptive_cutoffs) or None,
        input_dropout=settings.input_dropout,
        output_dropout=settings.output_dropout,
        embedding_dropout=settings.embedding_dropout,
    )


def _build_transformer(settings: TextSettings) -> CausalTransformer:
    options = transformer_options(settings)
    return CausalTransformer(
        options.size,
        settings.layers,
        context=settings.seen_at_most,
        heads=options.heads,
        feed_forward_size=options.feed_forward_size,
        positions=settings.positions or "sinusoidal",
        norm=options.norm,
        activation=options.activation,
        dropout=options.dropout,
    )


def train(settings: TextSettings, observer: Observer | None = None) -> Run:
    """Train a language model from the start.

    Raises:
        DataError, SettingsError: something in the data or the settings.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    refuse_unusable_folder(settings.run)
    _refuse_impossible_model(settings)
    with take_part(settings) as (processes, device):
        corpus = prepare_in_turn(settings, observer, processes)
        windows = _windows(settings, corpus, processes)  # Refuses before a folder is made.
        torch.manual_seed(settings.seed)
        model = build(settings, corpus.tokeniser.vocabulary_size).to(device)
        if settings.initial_weights is not None:
            load_initial_weights(model, settings.initial_weights, settings)
        name = settings.network.rpartition(":")[2].lower()
        folder = begin_folder(
            settings.run,
            f"text-{name}",
            processes,
            lambda folder: describe(folder, settings, corpus),
        )
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, corpus, windows, processes, observer, resume=False)


def resume(
    folder: Path | str,
    *,
    cell: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
) -> Run:
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
        corpus = prepare_again(folder, settings, observer, processes)
        windows = _windows(settings, corpus, processes)
        torch.manual_seed(settings.seed)
        model = build(settings, corpus.tokeniser.vocabulary_size).to(where)
        if settings.initial_weights is not None and Journal(folder).find() is None:
            load_initial_weights(model, settings.initial_weights, settings)
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, corpus, windows, processes, observer, resume=True)


def load_run(folder: Path | str, *, cell: str | None = None, device: str = "auto") -> Run:
    """A run's best model, ready to evaluate and to write.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own.
        device: where to compute.

    Raises:
        CheckpointError: there is no run, or it has no checkpoint yet.
    """
    folder = Path(folder)
    settings = settings_of(folder, cell)
    tokeniser = load_tokeniser(folder)
    model = build(settings, tokeniser.vocabulary_size)
    load_trained(model, folder)
    return Run(folder, settings, model.to(choose_device(device)).eval(), tokeniser)


def train_text(
    data: str | Sequence[str], *, observer: Observer | None = None, **settings: Any
) -> Run:
    """Train a language model on text: `train` with the settings as keywords.

    Args:
        data: files, folders or globs.
        observer: hears of everything that happens; None: nobody does.
        settings: the fields of `TextSettings`, as updates=500 or hidden_size=256.

    Example:
        >>> run = ostinato.train_text("plays.txt", updates=500)  # doctest: +SKIP
        >>> print(run.generate("The ", length=200))  # doctest: +SKIP
        >>> run.evaluate()["bits_per_character"]  # doctest: +SKIP
    """
    given = (data,) if isinstance(data, str) else tuple(data)
    return train(TextSettings(data=given, **settings), observer)


def _refuse_impossible_model(settings: TextSettings) -> None:
    """Build the model once before any text is read: much can only be refused by building it."""
    if settings.initial_weights is None:
        small = settings.model_copy(update={"adaptive_cutoffs": ()})  # of a vocabulary not yet read
        build(small, vocabulary_size=2)
        return
    require_run(settings.initial_weights)
    tokeniser = load_tokeniser(settings.initial_weights)
    model = build(settings, tokeniser.vocabulary_size)
    load_initial_weights(model, settings.initial_weights, settings)


def _windows(settings: TextSettings, corpus: Corpus, processes: Processes) -> TokenWindows:
    return TokenWindows(
        corpus.train,
        settings.batch_size,
        settings.steps_between_updates,
        settings.window,
        rank=processes.rank,
        world_size=processes.world_size,
    )


def _train(
    folder: Path,
    settings: TextSettings,
    model: LanguageModel,
    corpus: Corpus,
    windows: TokenWindows,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> Run:
    trainer = build_trainer(
        settings,
        ThroughTime(model) if settings.carries_state else WindowByWindow(model),
        lambda epoch: windows,
        Journal(folder, corpus.fingerprint),
        validate=validation(corpus.validation, settings.validation_tokens),
        validation_updates=_validation_updates(settings, corpus.validation),
        observer=observer,
        processes=processes,
    )
    train_to_the_end(trainer, model, folder, settings, processes, observer, resume=resume)
    return Run(folder, settings, model.eval(), corpus.tokeniser)


def _validation_updates(settings: TextSettings, part: TokenPart | None) -> float:
    """How many updates read as many tokens as a validation does."""
    if part is None:
        return 0.0
    tokens = min(part.counted_targets, settings.validation_tokens or part.counted_targets)
    return tokens / (settings.batch_size * settings.steps_between_updates)
