"""Language models of a person's own text: train, resume, evaluate, generate.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ostinato.checkpoint import write_text
from ostinato.data import (
    Corpus,
    EvaluationWindows,
    Split,
    TextReading,
    TokeniserSettings,
    TokenPart,
    TokenWindows,
    load_tokeniser,
    open_corpus,
    prepare_corpus,
    prepare_part,
)
from ostinato.data.tokenisers import Tokeniser
from ostinato.decoding import Sampling, StopStrings, generate
from ostinato.errors import CheckpointError, SettingsError
from ostinato.models import LanguageModel
from ostinato.state import select
from ostinato.tasks.own_cell import is_own_cell, source_hash
from ostinato.tasks.recurrent import build_recurrent
from ostinato.tasks.run_folder import (
    CONFIG,
    RECORD,
    new_run_folder,
    read_record,
    refuse_used_folder,
    require_run,
)
from ostinato.tasks.text_settings import TextSettings
from ostinato.tasks.toml import read_toml, write_toml
from ostinato.tasks.training_run import (
    build_trainer,
    load_initial_weights,
    load_trained,
    local_device,
    set_threads,
)
from ostinato.training import Journal, Observer, choose_device, join_processes
from ostinato.training.processes import Processes

Settings = TextSettings

_EVALUATION_BATCH = 32
_EVALUATION_WINDOW = 512


def prepare(settings: TextSettings, observer: Observer | None = None) -> Corpus:
    """The settings' text, tokenised and divided; read from the cache where it was before."""
    observer = observer or Observer()
    tokeniser: Tokeniser | TokeniserSettings = TokeniserSettings(
        settings.tokens, settings.vocabulary_size, settings.minimum_count
    )
    if settings.initial_weights is not None:
        require_run(settings.initial_weights)
        tokeniser = load_tokeniser(settings.initial_weights)
    return prepare_corpus(
        list(settings.data),
        list(settings.valid) or None,
        list(settings.test) or None,
        tokeniser=tokeniser,
        split=Split(settings.validation_fraction, settings.test_fraction, settings.seed),
        reading=TextReading(settings.document, settings.replace_bad_bytes),
        cache=settings.cache_dir,
        progress=observer.preparing,
    )


def build(settings: TextSettings, vocabulary_size: int) -> LanguageModel:
    """The model that the settings describe, its weights drawn anew."""
    size = settings.embedding_size or settings.projection_size or settings.hidden_size
    return LanguageModel(
        vocabulary_size,
        size,
        build_recurrent(settings, size),
        tied=settings.tied,
        adaptive_cutoffs=list(settings.adaptive_cutoffs) or None,
        input_dropout=settings.input_dropout,
        output_dropout=settings.output_dropout,
        embedding_dropout=settings.embedding_dropout,
    )


@torch.no_grad()
def evaluate(
    model: nn.Module,
    part: TokenPart,
    *,
    batch_size: int = _EVALUATION_BATCH,
    window: int = _EVALUATION_WINDOW,
) -> dict[str, float]:
    """How well the model predicts a part: each document from its start, with carried state.

    The figures are exact and do not depend on `batch_size` or `window` but for rounding.

    Returns:
        nats_per_token, bits_per_token, perplexity, bits_per_character, bits_per_byte, tokens.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    nats, state = 0.0, None
    windows = EvaluationWindows(part, batch_size, window)
    for index in range(len(windows)):
        read = windows[index]
        if read.fresh:
            state = model.initial_state(read.inputs.shape[0])  # pyright: ignore[reportCallIssue]
        features, state = model(read.inputs.to(device), state)
        losses = model.loss(features, read.targets.to(device))  # pyright: ignore[reportCallIssue]
        nats += float(losses.double()[read.counted.to(device)].sum())
    model.train(was_training)
    return _figures(nats, part)


def _figures(nats: float, part: TokenPart) -> dict[str, float]:
    tokens = part.counted_targets
    per_token = nats / max(1, tokens)
    bits = nats / math.log(2)
    return {
        "nats_per_token": per_token,
        "bits_per_token": per_token / math.log(2),
        "perplexity": math.exp(min(per_token, 700.0)),
        "bits_per_character": bits / max(1, part.characters),
        "bits_per_byte": bits / max(1, part.bytes),
        "tokens": tokens,
    }


@torch.no_grad()
def predict(
    model: LanguageModel,
    tokeniser: Tokeniser,
    prompt: str = "",
    *,
    length: int = 200,
    samples: int = 1,
    seed: int = 0,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    may_end: bool = False,
) -> Iterator[list[str]]:
    """Let the model write on from `prompt`, a piece of text a sample and step as it comes.

    Args:
        model: in evaluation mode.
        tokeniser: the model's own.
        prompt: what the text begins with; it is not repeated.
        length: tokens to write at most.
        samples: texts written side by side.
        seed: of the drawing; the same seed gives the same texts.
        sampling: temperature and the like; None: as the model says.
        stop: strings that end a sample; they are left out.
        may_end: whether the model may end the text by itself.
    """
    device = next(model.parameters()).device
    start = [tokeniser.end_index, *tokeniser.encode(prompt)]
    state = model.initial_state(1)
    if len(start) > 1:
        _, state = model(torch.tensor([start[:-1]], device=device), state)
    state = select(state, torch.zeros(samples, dtype=torch.long, device=device))
    forbidden = [] if tokeniser.unknown_index is None else [tokeniser.unknown_index]
    if not may_end:
        forbidden.append(tokeniser.end_index)
    decoders = [tokeniser.stream_decoder() for _ in range(samples)]
    stops = [StopStrings(stop) for _ in range(samples)]
    steps = generate(
        model.step,
        state,
        torch.full((samples,), start[-1], device=device),
        sampling or Sampling(),
        length=length,
        end_index=tokeniser.end_index if may_end else None,
        forbidden=forbidden,
        generator=torch.Generator(device).manual_seed(seed),
    )
    ended = [False] * samples
    for tokens, finished in steps:
        pieces = []
        for row, (token, over) in enumerate(zip(tokens.tolist(), finished.tolist(), strict=True)):
            piece = "" if ended[row] or over else decoders[row].feed(token)
            shown, stopped = stops[row].feed(piece)
            pieces.append("" if ended[row] else shown)
            ended[row] = ended[row] or stopped or over
        yield pieces
        if all(ended):
            return
    yield [
        "" if over else text.feed(decoder.finish())[0] + text.finish()
        for over, decoder, text in zip(ended, decoders, stops, strict=True)
    ]


class Run:
    """A trained run: its model, tokeniser and folder.

    Made by `train_text` and `load_run`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        model: with the run's best weights.
        tokeniser: the model's own.
    """

    def __init__(
        self, folder: Path, settings: TextSettings, model: LanguageModel, tokeniser: Tokeniser
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.model = model
        self.tokeniser = tokeniser
        self.record = read_record(folder)
        self.may_end = bool(self.record["counts_ends"])

    @property
    def figure(self) -> Path:
        """Where the picture of the losses lies."""
        return self.folder / "figures" / "loss.png"

    def evaluate(
        self, data: str | Sequence[str] | None = None, part: str = "validation"
    ) -> dict[str, float]:
        """The model's figures on other text, or on a part of its own corpus.

        Args:
            data: files, folders or globs; None: the corpus of the run.
            part: "train", "validation" or "test", of the run's own corpus.

        Returns:
            As `evaluate`.
        """
        return evaluate(self.model, self._part(data, part))

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        samples: int = 1,
        seed: int = 0,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[list[str]]:
        """Text as it comes: each step, a piece for every sample; see `predict`."""
        return predict(
            self.model,
            self.tokeniser,
            prompt,
            length=length,
            samples=samples,
            seed=seed,
            sampling=sampling,
            stop=stop,
            may_end=self.may_end,
        )

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        seed: int = 0,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> str:
        """A text that the model writes on from `prompt`, without the prompt; see `predict`."""
        options = {"length": length, "seed": seed, "sampling": sampling, "stop": stop}
        return "".join(pieces[0] for pieces in self.stream(prompt, **options))  # pyright: ignore[reportArgumentType]

    def _part(self, data: str | Sequence[str] | None, part: str) -> TokenPart:
        if data is not None:
            return prepare_part(
                data if isinstance(data, str) else list(data),
                tokeniser=self.tokeniser,
                counts_ends=self.may_end,
                reading=TextReading(self.settings.document, self.settings.replace_bad_bytes),
                cache=self.settings.cache_dir,
            )
        parts = _corpus_of(self.record, self.settings, None).parts
        if part not in parts:
            raise SettingsError(
                f"this run has no {part} part; it has {', '.join(parts)}; give --data instead"
            )
        return parts[part]


def train(settings: TextSettings, observer: Observer | None = None) -> Run:
    """Train a language model from the start.

    Raises:
        DataError, SettingsError: something in the data or the settings.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    if settings.run is not None:
        refuse_used_folder(settings.run)
    set_threads(settings.threads)
    device = choose_device(local_device(settings.device))
    with join_processes(device) as processes:
        corpus = _prepare_in_turn(settings, observer, processes)
        torch.manual_seed(settings.seed)
        model = build(settings, corpus.tokeniser.vocabulary_size).to(device)
        if settings.initial_weights is not None:
            load_initial_weights(model, settings.initial_weights)
        folder = None
        if processes.is_first:
            folder = new_run_folder(settings.run, f"text-{_cell_name(settings)}")
            _describe(folder, settings, corpus)
        folder = processes.from_first(folder)
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
    settings = _settings_of(folder, cell)
    changes = {"device": device, "threads": threads, "workers": workers}
    settings = settings.model_copy(update={k: v for k, v in changes.items() if v is not None})
    set_threads(settings.threads)
    where = choose_device(local_device(settings.device))
    with join_processes(where) as processes:
        corpus = _prepare_again(folder, settings, observer, processes)
        torch.manual_seed(settings.seed)
        model = build(settings, corpus.tokeniser.vocabulary_size).to(where)
        if settings.initial_weights is not None and Journal(folder).find() is None:
            load_initial_weights(model, settings.initial_weights)
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, corpus, processes, observer, resume=True)


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
    settings = _settings_of(folder, cell)
    tokeniser = load_tokeniser(folder)
    model = build(settings, tokeniser.vocabulary_size)
    load_trained(model, folder)
    return Run(folder, settings, model.to(choose_device(device)).eval(), tokeniser)


def train_text(data: str | Sequence[str], **settings: Any) -> Run:
    """Train a language model on text: `train` with the settings as keywords.

    Args:
        data: files, folders or globs.
        settings: the fields of `TextSettings`, as updates=500 or hidden_size=256.

    Example:
        >>> run = ostinato.train_text("plays.txt", updates=500)  # doctest: +SKIP
        >>> print(run.generate("The ", length=200))  # doctest: +SKIP
        >>> run.evaluate()["bits_per_character"]  # doctest: +SKIP
    """
    given = (data,) if isinstance(data, str) else tuple(data)
    return train(TextSettings(data=given, **settings))


def _train(
    folder: Path,
    settings: TextSettings,
    model: LanguageModel,
    corpus: Corpus,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> Run:
    windows = TokenWindows(
        corpus.train,
        settings.batch_size,
        settings.steps_between_updates,
        settings.window,
        rank=processes.rank,
        world_size=processes.world_size,
    )
    trainer = build_trainer(
        settings,
        model,
        lambda epoch: windows,
        Journal(folder, corpus.fingerprint),
        validate=_validation(corpus.validation),
        observer=observer,
        processes=processes,
    )
    trainer.run(resume=resume)
    if processes.is_first:
        _draw_losses(folder)
        load_trained(model, folder)
    return Run(folder, settings, model.eval(), corpus.tokeniser)


def _validation(part: TokenPart | None) -> Callable[[nn.Module], dict[str, Any]] | None:
    if part is None:
        return None

    def validate(model: nn.Module) -> dict[str, Any]:
        figures = evaluate(model, part)
        return {"nats_per_unit": figures["nats_per_token"], **figures}

    return validate


def _prepare_in_turn(settings: TextSettings, observer: Observer, processes: Processes) -> Corpus:
    """The first process reads the text, the others find it in the cache."""
    corpus = prepare(settings, observer) if processes.is_first else None
    mark = processes.from_first(None if corpus is None else (corpus.fingerprint, corpus.sources))
    return corpus or open_corpus(*mark, cache=settings.cache_dir)


def _prepare_again(
    folder: Path, settings: TextSettings, observer: Observer, processes: Processes
) -> Corpus:
    """The same text once more; from the cache where it came from standard input."""
    record = read_record(folder)
    if "-" in (*settings.data, *settings.valid, *settings.test):
        return _corpus_of(record, settings, observer)
    corpus = _prepare_in_turn(settings, observer, processes)
    if corpus.fingerprint != record["fingerprint"]:
        raise CheckpointError(
            f"the data of {folder} is not what it was trained on (SHA-256 "
            f"{record['fingerprint'][:12]}..., now {corpus.fingerprint[:12]}...): going on would "
            "not be the same run; to train on the new data from these weights, start a run with "
            f"--initial-weights {folder}"
        )
    return corpus


def _corpus_of(record: dict[str, Any], settings: TextSettings, observer: Observer | None) -> Corpus:
    """The run's corpus from the cache, made again from its files where it is gone."""
    try:
        return open_corpus(record["fingerprint"], record["sources"], cache=settings.cache_dir)
    except ValueError:
        if "-" in (*settings.data, *settings.valid, *settings.test):
            raise
    return prepare(settings, observer)


def _settings_of(folder: Path, cell: str | None) -> TextSettings:
    """The run's settings; a cell of one's own must be named again and be the same."""
    record = read_record(folder)
    values = read_toml(folder / CONFIG, TextSettings)
    named = values.get("cell", "lstm")
    if not is_own_cell(named):
        if cell is not None and cell != named:
            raise SettingsError(f"{folder} was trained with the cell {named}, not {cell}")
        return TextSettings(**values)
    if cell is None:
        raise SettingsError(
            f"{folder} was trained with a cell of your own ({named}); its file is Python and is "
            f"run only when you name it: add --cell {named}"
        )
    if source_hash(cell) != record["cell_sha256"]:
        raise SettingsError(
            f"{cell} is not the source that {folder} was trained with (its SHA-256 differs); "
            "give the file as it was"
        )
    return TextSettings(**{**values, "cell": cell})


def _cell_name(settings: TextSettings) -> str:
    return settings.cell.rpartition(":")[2].lower()


def _describe(folder: Path, settings: TextSettings, corpus: Corpus) -> None:
    """Write what the run is: settings, tokeniser, fingerprint, and a page for a person."""
    fixed = settings.model_copy(update={"run": folder})
    own = is_own_cell(settings.cell)
    record = {
        "task": "text",
        "cell": settings.cell,
        "cell_sha256": source_hash(settings.cell) if own else None,
        "fingerprint": corpus.fingerprint,
        "sources": corpus.sources,
        "counts_ends": corpus.train.counts_ends,
    }
    corpus.tokeniser.save(folder)
    write_text(folder / RECORD, json.dumps(record, indent=1))
    write_text(folder / "README.md", _page(folder, settings, corpus))
    write_text(folder / CONFIG, write_toml(fixed))


def _page(folder: Path, settings: TextSettings, corpus: Corpus) -> str:
    parts = "\n".join(
        f"- {name}: {part.targets:,} tokens, {part.characters:,} characters"
        for name, part in corpus.parts.items()
    )
    return f"""# {folder.name}

A language model of {", ".join(settings.data)}: {settings.layers} x {settings.hidden_size}
{settings.cell}, tokens are {settings.tokens} ({corpus.tokeniser.vocabulary_size} of them).

{parts}

    ostinato generate {folder}        let it write
    ostinato evaluate {folder}        its figures
    ostinato resume {folder}          go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the losses in figures/loss.png.
"""


def _draw_losses(folder: Path) -> None:
    """The picture of the losses; left out where matplotlib is not installed."""
    from ostinato.errors import MissingExtraError
    from ostinato.xray.curves import draw_losses

    try:
        draw_losses(folder / "metrics.jsonl", folder / "figures" / "loss.png")
    except MissingExtraError:
        return
