"""The pairs of a translation model as tokens, and how they are found again."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data import (
    LineCodec,
    PairCodec,
    PairPart,
    Pairs,
    TokeniserSettings,
    encode_pairs,
    learn_codec,
    load_tokeniser,
    read_pairs,
)
from ostinato.errors import CheckpointError, DataError
from ostinato.tasks.run_folder import CONFIG, read_record
from ostinato.tasks.translation.settings import TranslationSettings
from ostinato.training import Observer

_SIDES = ("source", "target")


class TranslationCorpus(NamedTuple):
    """What a run reads.

    Attributes:
        train: the pairs to learn from.
        validation: those to validate on; None where there are none.
        fingerprint: SHA-256 of all of them.
    """

    train: PairPart
    validation: PairPart | None
    fingerprint: str

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
    train = _read(settings.source, settings.target, settings.data, observer)
    validation = None
    if settings.validates:
        validation = _read(settings.valid_source, settings.valid_target, settings.valid, observer)
    elif settings.validation_fraction:
        train, validation = _divided(train, settings.validation_fraction, settings.seed)
    if codec is None:
        codec = _learnt(settings, train)
    return TranslationCorpus(
        encode_pairs(train, codec, settings.longest),
        None if validation is None else encode_pairs(validation, codec, None),
        _fingerprint(train, validation),
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
        corpus = prepare(settings, observer, codec=load_codec(folder))
    except DataError as problem:
        raise DataError(
            f"the pairs of {folder} cannot be read again: {problem}; put them back, or write in "
            f"{folder / CONFIG} where they lie now"
        ) from problem
    known = read_record(folder)["fingerprint"]
    if corpus.fingerprint != known:
        raise CheckpointError(
            f"the data of {folder} is not what it was trained on (SHA-256 {known[:12]}..., now "
            f"{corpus.fingerprint[:12]}...): going on would not be the same run; to train on the "
            f"new data from these weights, start a run with --initial-weights {folder}"
        )
    return corpus


def save_codec(codec: PairCodec, folder: Path) -> None:
    """Write the tokenisers of both sides into a run's folder."""
    for name in _SIDES:
        side: LineCodec = getattr(codec, name)
        (folder / name).mkdir(exist_ok=True)
        side.tokeniser.save(folder / name)


def load_codec(folder: Path) -> PairCodec:
    """The tokenisers of a run."""
    return PairCodec(*(LineCodec(load_tokeniser(folder / name)) for name in _SIDES))


def _read(source: Path | None, target: Path | None, data: Path | None, observer: Observer) -> Pairs:
    first = source if data is None else data
    assert first is not None
    return read_pairs(first, target, progress=observer.preparing)


def _divided(pairs: Pairs, fraction: float, seed: int) -> tuple[Pairs, Pairs]:
    """A share of the pairs, at least one, set apart by the seed; each part in the file's order."""
    count = max(1, round(fraction * len(pairs.lines)))
    if count == len(pairs.lines):
        raise DataError(
            f"{pairs.name} holds too few pairs ({count}) to keep some for validation: give more, "
            "or validation_fraction 0"
        )
    chosen = np.random.default_rng(seed).permutation(len(pairs.lines))
    return _some(pairs, np.sort(chosen[count:])), _some(pairs, np.sort(chosen[:count]))


def _some(pairs: Pairs, numbers: np.ndarray) -> Pairs:
    return Pairs(
        [pairs.sources[number] for number in numbers],
        [pairs.targets[number] for number in numbers],
        [pairs.lines[number] for number in numbers],
        pairs.name,
        pairs.blank,
    )


def _learnt(settings: TranslationSettings, pairs: Pairs) -> PairCodec:
    tokeniser = TokeniserSettings(settings.tokens, settings.vocabulary_size, settings.minimum_count)
    if settings.joint:
        both = learn_codec(tokeniser, pairs.sources + pairs.targets)
        return PairCodec(both, both)
    return PairCodec(learn_codec(tokeniser, pairs.sources), learn_codec(tokeniser, pairs.targets))


def _fingerprint(*parts: Pairs | None) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        for side in () if part is None else (part.sources, part.targets):
            sha256.update("\n".join(side).encode() + b"\0")
    return sha256.hexdigest()
