"""The pairs of a translation model as tokens, and how they are found again."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data import (
    LineCodec,
    PairCodec,
    PairLayout,
    PairPart,
    Pairs,
    TokeniserSettings,
    encode_pairs,
    learn_codec,
    load_tokeniser,
    read_pairs,
)
from ostinato.errors import DataError
from ostinato.tasks.recorded_run import refuse_other_data
from ostinato.tasks.run_folder import CONFIG
from ostinato.tasks.translation.model import extra_tokens
from ostinato.tasks.translation.settings import TranslationSettings
from ostinato.training import Observer

_SIDES = ("source", "target")


class TranslationCorpus(NamedTuple):
    """What a run reads.

    Attributes:
        train: the pairs to learn from.
        validation: those to validate on; None where there are none.
        fingerprint: SHA-256 of all of them.
        history: of dialogues, the turns before the one that is answered; None: there are none.
    """

    train: PairPart
    validation: PairPart | None
    fingerprint: str
    history: int | None

    @property
    def codec(self) -> PairCodec:
        """How sentences become tokens, and back."""
        return self.train.codec


def prepare(
    settings: TranslationSettings,
    observer: Observer | None = None,
    *,
    codec: PairCodec | None = None,
) -> TranslationCorpus:
    """The settings' pairs as tokens, divided.

    Args:
        settings: name the files.
        observer: hears how far reading is.
        codec: of both sides. None: learnt from the training pairs.
    """
    observer = observer or Observer()
    train = _read(settings.source, settings.target, settings.data, settings.layout, observer)
    validation = None
    if settings.validates:
        layout = replace(settings.layout, history=train.history)
        files = settings.valid_source, settings.valid_target, settings.valid
        validation = _read(*files, layout, observer)
    elif settings.validation_fraction:
        train, validation = _divided(train, settings.validation_fraction, settings.seed)
    if codec is None:
        codec = _learnt(settings, train)
    _refuse_two_kinds(train, validation)
    return TranslationCorpus(
        encode_pairs(train, codec, settings.longest),
        None if validation is None else encode_pairs(validation, codec, None),
        _fingerprint(train, validation),
        train.history,
    )


def prepare_again(
    folder: Path, settings: TranslationSettings, observer: Observer
) -> TranslationCorpus:
    """The pairs of a run once more, to go on with it.

    Raises:
        CheckpointError: the pairs are not what the run was trained on.
        DataError: the pairs are not where they were.
    """
    try:
        corpus = prepare(settings, observer, codec=load_codec(folder, settings))
    except DataError as problem:
        raise DataError(
            f"the pairs of {folder} cannot be read again: {problem}; put them back, or write in "
            f"{folder / CONFIG} where they lie now"
        ) from problem
    refuse_other_data(folder, corpus.fingerprint)
    return corpus


def save_codec(codec: PairCodec, folder: Path) -> None:
    """Write the tokenisers of both sides into a run's folder."""
    for name in _SIDES:
        side: LineCodec = getattr(codec, name)
        (folder / name).mkdir(exist_ok=True)
        side.tokeniser.save(folder / name)


def load_codec(folder: Path, settings: TranslationSettings) -> PairCodec:
    """The tokenisers of a run, for a model of these settings."""
    source, target = (LineCodec(load_tokeniser(folder / name)) for name in _SIDES)
    return _codec(settings, source, target)


def _read(
    source: Path | None,
    target: Path | None,
    data: Path | None,
    layout: PairLayout,
    observer: Observer,
) -> Pairs:
    first = source if data is None else data
    assert first is not None
    return read_pairs(first, target, layout=layout, progress=observer.preparing)


def _refuse_two_kinds(train: Pairs, validation: Pairs | None) -> None:
    if validation is not None and validation.history != train.history:
        first, second = (train, validation) if validation.history is None else (validation, train)
        raise DataError(
            f"{first.name} holds dialogues and {second.name} does not: train and validate on the "
            "same kind"
        )


def _divided(pairs: Pairs, fraction: float, seed: int) -> tuple[Pairs, Pairs]:
    """A share of the lines, at least one, set apart by the seed; each part in the file's order.

    The pairs of a dialogue are of one line, so that none is divided.
    """
    lines = np.unique(pairs.lines)
    count = max(1, round(fraction * len(lines)))
    if count == len(lines):
        what = "pairs" if pairs.history is None else "dialogues"
        raise DataError(
            f"{pairs.name} holds too few {what} ({count}) to keep some for validation: give more, "
            "or validation_fraction 0"
        )
    chosen = np.random.default_rng(seed).permutation(len(lines))
    kept = np.isin(pairs.lines, lines[chosen[:count]])
    return _some(pairs, np.flatnonzero(~kept)), _some(pairs, np.flatnonzero(kept))


def _some(pairs: Pairs, numbers: np.ndarray) -> Pairs:
    return Pairs(
        [pairs.sources[number] for number in numbers],
        [pairs.targets[number] for number in numbers],
        [pairs.lines[number] for number in numbers],
        pairs.name,
        pairs.blank,
        pairs.history,
    )


def _learnt(settings: TranslationSettings, pairs: Pairs) -> PairCodec:
    tokeniser = TokeniserSettings(settings.tokens, settings.vocabulary_size, settings.minimum_count)
    if settings.joint:
        both = learn_codec(tokeniser, pairs.sources + pairs.targets)
        return _codec(settings, both, both)
    source, target = (learn_codec(tokeniser, side) for side in (pairs.sources, pairs.targets))
    return _codec(settings, source, target)


def _codec(settings: TranslationSettings, source: LineCodec, target: LineCodec) -> PairCodec:
    return PairCodec(source, target, extra_tokens(settings, target.tokeniser.unknown_index))


def _fingerprint(*parts: Pairs | None) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        for side in () if part is None else (part.sources, part.targets):
            sha256.update("\n".join(side).encode() + b"\0")
    return sha256.hexdigest()
