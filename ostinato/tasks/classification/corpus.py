"""The samples of a classifier as numbers, and how they are found again."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data.classification.codec import (
    InputCodec,
    SampleCodec,
    learn_sample_codec,
    learn_series_codec,
    learn_text_codec,
)
from ostinato.data.classification.columns import Columns
from ostinato.data.classification.idx_images import is_idx
from ostinato.data.classification.part import SamplePart, encode_samples
from ostinato.data.classification.reading import format_of, layout_of, stream_samples
from ostinato.data.classification.samples import Samples, SampleStream, collect
from ostinato.data.tokenisers import TokeniserSettings
from ostinato.errors import DataError, SettingsError
from ostinato.tasks.classification.settings import OF_SERIES, OF_TEXTS, ClassificationSettings
from ostinato.tasks.recorded_run import refuse_other_data
from ostinato.tasks.run_folder import CONFIG
from ostinato.training import Observer


class ClassificationCorpus(NamedTuple):
    """What a run reads.

    Attributes:
        train: the samples to learn from.
        validation: those to validate on; None where there are none.
        fingerprint: SHA-256 of all samples.
        columns: those of the tables, also where the tables' own names told them.
    """

    train: SamplePart
    validation: SamplePart | None
    fingerprint: str
    columns: Columns

    @property
    def codec(self) -> SampleCodec:
        """How samples become numbers, and numbers classes."""
        return self.train.codec


def prepare(
    settings: ClassificationSettings,
    observer: Observer | None = None,
    *,
    codec: SampleCodec | None = None,
) -> ClassificationCorpus:
    """The settings' samples as numbers, divided.

    Args:
        settings: name the files.
        observer: hears how far reading is.
        codec: of the inputs and classes. None: learnt from the training samples.

    Raises:
        DataError: something in a file; names file, line and column.
    """
    observer = observer or Observer()
    train = read(settings, settings.data, observer)
    _refuse_options_of_images(settings)
    _refuse_options_of_other_inputs(settings, train)
    columns = train.columns
    settings = settings.model_copy(update={"text": columns.text, "label": columns.label})
    validation = None
    if settings.valid is not None:
        validation = read(settings, settings.valid, observer)
    elif settings.validation_fraction:
        several = settings.separator is not None
        fraction, seed = settings.validation_fraction, settings.seed
        train, validation = _divided(train, fraction, seed, several=several)
    if codec is None:
        codec = learn_sample_codec(train, _learnt(settings, train), settings.separator)
    return ClassificationCorpus(
        encode_samples(train, codec),
        None if validation is None else encode_samples(validation, codec),
        _fingerprint(train, validation),
        columns,
    )


def prepare_again(
    folder: Path, settings: ClassificationSettings, observer: Observer
) -> ClassificationCorpus:
    """The samples of a run once more, to go on with it.

    Raises:
        CheckpointError: the samples are not what the run was trained on.
        DataError: they are not where they were.
    """
    try:
        corpus = prepare(settings, observer, codec=SampleCodec.load(folder))
    except DataError as problem:
        raise DataError(
            f"the data of {folder} cannot be read again: {problem}; put it back, or write in "
            f"{folder / CONFIG} where it lies now"
        ) from problem
    refuse_other_data(folder, corpus.fingerprint)
    return corpus


def read(
    settings: ClassificationSettings, path: Path, observer: Observer, *, labelled: bool = True
) -> Samples:
    """A file of samples, read as the run's own data."""
    return collect(stream(settings, path, observer, labelled=labelled))


def stream(
    settings: ClassificationSettings, path: Path, observer: Observer, *, labelled: bool
) -> SampleStream:
    """The samples of a file as they are read; see `read`."""
    layout = layout_of(
        path,
        settings.columns,
        format=settings.format,
        images=settings.images,
    )
    return stream_samples(path, layout, labelled=labelled, progress=observer.preparing)


def _refuse_options_of_other_inputs(settings: ClassificationSettings, samples: Samples) -> None:
    """An option of texts says nothing of series, and the other way round."""
    names, kind = (OF_TEXTS, "texts") if samples.features else (OF_SERIES, "series of numbers")
    for name in names:
        if getattr(settings, name) != type(settings).model_fields[name].default:
            raise SettingsError(f"{name} is for {kind}, which {samples.name} does not hold")


def _refuse_options_of_images(settings: ClassificationSettings) -> None:
    found = settings.format or format_of(settings.data, settings.columns)
    names = ["image_size", "colour"] if found == "images" and is_idx(settings.data) else []
    if found != "images":
        names = ["image_steps", "image_size", "colour"]
    for name in names:
        if getattr(settings, name) != type(settings).model_fields[name].default:
            kind = "image files" if found == "images" else "images"
            what = "MNIST's files" if found == "images" else found
            raise SettingsError(
                f"{name} is for {kind}, and {settings.data} is read as {what}: leave it out"
            )


def _learnt(settings: ClassificationSettings, train: Samples) -> InputCodec:
    if train.features:
        return learn_series_codec(
            train, scale=settings.scale, fold=settings.fold, permutation=settings.permutation
        )
    kind = settings.tokens
    if kind is None:
        spaced = sum(len(str(text).split()) > 1 for text in train.inputs)
        kind = "words" if 2 * spaced > len(train) or settings.part_marks else "characters"
    tokeniser = TokeniserSettings(kind, settings.vocabulary_size, settings.minimum_count)
    return learn_text_codec(
        train, tokeniser, lowercase=settings.lowercase, part_marks=settings.part_marks
    )


def _divided(
    samples: Samples, fraction: float, seed: int, *, several: bool
) -> tuple[Samples, Samples]:
    """A share of each class, set apart by the seed; both in the file's order.

    A class of one sample alone stays with those to train on. Of samples with several labels it is
    a share of all.
    """
    generator, held = np.random.default_rng(seed), []
    codes, names = np.zeros(len(samples), np.int32), [""]
    if not several:
        names = sorted(set(samples.labels))
        places = {name: place for place, name in enumerate(names)}
        codes = np.fromiter((places[name] for name in samples.labels), np.int32, len(samples))
    for place in range(len(names)):
        numbers = generator.permutation(np.flatnonzero(codes == place))
        count = min(max(1, round(fraction * len(numbers))), len(numbers) - 1)
        held.append(numbers[:count])
    held = np.sort(np.concatenate(held))
    if not len(held):
        raise DataError(
            f"{samples.name} has one sample of each class: too few to keep some for validation; "
            "give more, or validation_fraction 0"
        )
    kept = np.ones(len(samples), np.bool_)
    kept[held] = False
    return samples.some(np.flatnonzero(kept)), samples.some(held)


def _fingerprint(*parts: Samples | None) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        for one in () if part is None else part.inputs:
            sha256.update(one.encode() if isinstance(one, str) else one.tobytes())
            sha256.update(b"\0")
        for label in () if part is None else part.labels:
            sha256.update(label.encode() + b"\0")
        sha256.update(b"\1")
    return sha256.hexdigest()
