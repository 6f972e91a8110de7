"""The sentences of a tagger as numbers, and how they are found again."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.data.tagging.codec import TagCodec, learn_tag_codec, normalised
from ostinato.data.tagging.formats import layout_of
from ostinato.data.tagging.part import TaggedPart, encode_tagged
from ostinato.data.tagging.reading import read_tagged
from ostinato.data.tagging.sentences import TaggedText
from ostinato.data.tagging.word_vectors import WordVectors, read_word_vectors
from ostinato.errors import DataError, SettingsError
from ostinato.tasks.recorded_run import refuse_other_data
from ostinato.tasks.run_folder import CONFIG
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.training import Observer

CODEC = "vocabulary.json"


class TaggingCorpus(NamedTuple):
    """What a run reads.

    Attributes:
        train: the sentences to learn from.
        validation: those to validate on, and their text; None where there are none.
        vectors: pretrained ones of words; None where none are wanted.
        fingerprint: SHA-256 of all sentences.
    """

    train: TaggedPart
    validation: tuple[TaggedPart, TaggedText] | None
    vectors: WordVectors | None
    fingerprint: str

    @property
    def codec(self) -> TagCodec:
        """How tokens become numbers, and numbers labels."""
        return self.train.codec


def prepare(
    settings: TaggingSettings,
    observer: Observer | None = None,
    *,
    codec: TagCodec | None = None,
    vectors: bool = True,
) -> TaggingCorpus:
    """The settings' sentences as numbers, divided.

    Args:
        settings: name the files.
        observer: hears how far reading is.
        codec: of the words and labels. None: learnt from the training sentences.
        vectors: read pretrained vectors, where the settings name a file of them.

    Raises:
        DataError: something in a file; names file and line.
    """
    observer = observer or Observer()
    train = read_text(settings, settings.data, observer)
    validation = None
    if settings.valid is not None:
        validation = read_text(settings, settings.valid, observer)
    elif settings.validation_fraction:
        train, validation = _divided(train, settings.validation_fraction, settings.seed)
    found = _vectors(settings, train, codec, observer) if vectors else None
    codec = codec or learn_tag_codec(
        train,
        minimum_count=settings.minimum_count,
        lowercase=settings.lowercase,
        digits_alike=settings.digits_alike,
        more_words=() if found is None else found.words,
    )
    part = encode_tagged(train, codec)
    _refuse_unseen(part)
    held = None
    if validation is not None:
        held = encode_tagged(validation, codec), validation
        tell_unseen(held[0], observer)
        _refuse_without_loss(held[0])
    return TaggingCorpus(part, held, found, _fingerprint(train, validation))


def prepare_again(
    folder: Path, settings: TaggingSettings, observer: Observer, *, vectors: bool
) -> TaggingCorpus:
    """The sentences of a run once more, to go on with it.

    Raises:
        CheckpointError: the sentences are not what the run was trained on.
        DataError: they are not where they were.
    """
    try:
        corpus = prepare(settings, observer, codec=TagCodec.load(folder / CODEC), vectors=vectors)
    except DataError as problem:
        raise DataError(
            f"the data of {folder} cannot be read again: {problem}; put it back, or write in "
            f"{folder / CONFIG} where it lies now"
        ) from problem
    refuse_other_data(folder, corpus.fingerprint)
    return corpus


def read_text(settings: TaggingSettings, path: Path, observer: Observer) -> TaggedText:
    """A file of sentences with labels, read as the run's own data."""
    layout = layout_of(
        path,
        format=settings.format,
        token_column=settings.token_column,
        label_column=settings.label_column,
        features=settings.features,
    )
    return read_tagged(path, layout, progress=observer.preparing)


def tell_unseen(part: TaggedPart, observer: Observer) -> None:
    """Say which labels cannot be right, for they never occur in training.

    Raises:
        DataError: not one label is known.
    """
    unseen = part.unseen
    if unseen.tokens == 0:
        return
    where = f"{part.name}, line {unseen.line}: the label {unseen.label!r}"
    if unseen.tokens == part.token_count:
        some = ", ".join(part.codec.labels[:8])
        raise DataError(
            f"{where} never occurs in training, nor does any other label of the file; the tagger "
            f"knows {some}: is this the right column?"
        )
    tokens = f"{unseen.tokens:,} token" + "s" * (unseen.tokens > 1)
    observer.noted(
        f"{where} never occurs in training; {tokens} with such labels count as wrong, and their "
        "sentences are left out of the loss"
    )


def _refuse_without_loss(part: TaggedPart) -> None:
    """At least one sentence to validate on must have labels that are all known."""
    if all(-1 in part.labels[number] for number in range(len(part))):
        raise DataError(
            f"{part.name}: every sentence to validate on has a label that never occurs in "
            "training: give more data, or others to validate on (valid)"
        )


def _refuse_unseen(part: TaggedPart) -> None:
    """Training sentences have labels of their own, unless the vocabulary is another run's."""
    if part.unseen.tokens:
        raise DataError(
            f"{part.name}, line {part.unseen.line}: the run of --initial-weights has no label "
            f"{part.unseen.label!r}; it knows {', '.join(part.codec.labels)}"
        )


def _vectors(
    settings: TaggingSettings, train: TaggedText, codec: TagCodec | None, observer: Observer
) -> WordVectors | None:
    if settings.embeddings is None:
        return None

    def look_up(word: str) -> str:
        return normalised(word, lowercase=settings.lowercase, digits_alike=settings.digits_alike)

    if codec is None:
        tokens = {token for sentence in train.sentences for token in sentence.tokens}
        wanted, others = {look_up(token) for token in tokens}, settings.vector_words
    else:
        wanted, others = set(codec.words), 0
    found = read_word_vectors(
        settings.embeddings,
        normalise=look_up,
        wanted=wanted,
        others=others,
        progress=observer.preparing,
    )
    size = found.vectors.shape[1]
    if settings.embedding_size not in (None, size):
        raise SettingsError(
            f"embedding_size is {settings.embedding_size}, but the vectors of "
            f"{settings.embeddings} have {size} numbers: leave it out"
        )
    known = len(wanted.intersection(found.words))
    observer.noted(
        f"{settings.embeddings} has vectors of {known:,} of the {len(wanted):,} words of the "
        f"training data; {len(found.words) - known:,} more words are taken from it"
    )
    return found


def _divided(text: TaggedText, fraction: float, seed: int) -> tuple[TaggedText, TaggedText]:
    """A share of the sentences, at least one, set apart by the seed; each in the file's order."""
    total = len(text.sentences)
    count = max(1, round(fraction * total))
    if count == total:
        raise DataError(
            f"{text.name} holds too few sentences ({total}) to keep some for validation: give "
            "more, or validation_fraction 0"
        )
    chosen = np.random.default_rng(seed).permutation(total)
    return text.some(np.sort(chosen[count:])), text.some(np.sort(chosen[:count]))


def _fingerprint(*texts: TaggedText | None) -> str:
    sha256 = hashlib.sha256()
    for text in texts:
        for sentence in () if text is None else text.sentences:
            columns = (sentence.tokens, sentence.labels, *sentence.features)
            words = (word for column in columns for word in column)
            sha256.update("\n".join((*words, "")).encode() + b"\0")
        sha256.update(b"\1")
    return sha256.hexdigest()
