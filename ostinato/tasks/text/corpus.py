"""The text of a language model as tokens: prepared once, and found again for every later use."""

from pathlib import Path
from typing import Any

from ostinato.data import (
    Corpus,
    Split,
    TextReading,
    TokeniserSettings,
    load_tokeniser,
    open_corpus,
    prepare_corpus,
)
from ostinato.data.tokenisers import Tokeniser
from ostinato.errors import DataError
from ostinato.tasks.recorded_run import refuse_other_data
from ostinato.tasks.run_folder import CONFIG, read_record, require_run
from ostinato.tasks.text.settings import TextSettings
from ostinato.training import Observer
from ostinato.training.processes import Processes


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


def prepare_in_turn(settings: TextSettings, observer: Observer, processes: Processes) -> Corpus:
    """`prepare` where there are several processes: the first reads, the others find the cache."""
    corpus = prepare(settings, observer) if processes.is_first else None
    mark = processes.from_first(None if corpus is None else (corpus.fingerprint, corpus.sources))
    return corpus or open_corpus(*mark, cache=settings.cache_dir)


def prepare_again(
    folder: Path, settings: TextSettings, observer: Observer, processes: Processes
) -> Corpus:
    """The text of a run once more, to go on with it; from the cache if it was standard input.

    Raises:
        CheckpointError: the text is not what the run was trained on.
        DataError: the text is not where it was.
    """
    record = read_record(folder)
    if _from_standard_input(settings):
        return find_corpus(record, settings)
    try:
        corpus = prepare_in_turn(settings, observer, processes)
    except DataError as problem:
        raise DataError(
            f"the text of {folder} cannot be read again: {problem}; put it back, or write in "
            f"{folder / CONFIG} where it lies now"
        ) from problem
    refuse_other_data(folder, corpus.fingerprint)
    return corpus


def find_corpus(
    record: dict[str, Any], settings: TextSettings, observer: Observer | None = None
) -> Corpus:
    """A run's corpus from the cache, made again from its files where it is gone."""
    try:
        return open_corpus(record["fingerprint"], record["sources"], cache=settings.cache_dir)
    except DataError:
        if _from_standard_input(settings):
            raise
    return prepare(settings, observer)


def _from_standard_input(settings: TextSettings) -> bool:
    return "-" in (*settings.data, *settings.valid, *settings.test)
