"""A corpus: text tokenised once into a cache, and read from there as its parts."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ostinato.data.corpus_building import (
    CORPUS_FILE,
    CORPUS_FORMAT,
    CorpusRequest,
    build_corpus,
    contents,
    fingerprint,
)
from ostinato.data.corpus_cache import corpora_folder, publish, scratch_folder, set_aside
from ostinato.data.documents import TextReading
from ostinato.data.splits import Split
from ostinato.data.text_reading import Progress
from ostinato.data.text_sources import TextPaths, TextSource, find_sources
from ostinato.data.token_part import PartRecord, TokenPart
from ostinato.data.tokenisers.loading import load_tokeniser
from ostinato.data.tokenisers.settings import TokeniserSettings
from ostinato.data.tokenisers.tokeniser import Tokeniser
from ostinato.errors import DataError


@final
@dataclass(frozen=True)
class Corpus:
    """Tokenised text.

    Attributes:
        tokeniser: Made from the training part alone, unless it was given.
        parts: The parts there are, by name: "train", "validation", "test".
        fingerprint: SHA-256 (hexadecimal) of the texts' content and all settings on which the
            tokens depend.
        folder: Where the corpus lies in the cache.
        sources: For each part, the names of the texts it was taken from.
    """

    tokeniser: Tokeniser
    parts: dict[str, TokenPart]
    fingerprint: str
    folder: Path
    sources: dict[str, list[str]]

    @property
    def train(self) -> TokenPart:
        return self.parts["train"]

    @property
    def validation(self) -> TokenPart | None:
        """None where nothing was given or kept for it."""
        return self.parts.get("validation")

    @property
    def test(self) -> TokenPart | None:
        """None where nothing was given or kept for it."""
        return self.parts.get("test")


def prepare_corpus(
    data: TextPaths,
    validation: TextPaths | None = None,
    test: TextPaths | None = None,
    *,
    tokeniser: TokeniserSettings | Tokeniser | None = None,
    split: Split | None = None,
    reading: TextReading | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Tokenises text into the cache, or finds it there, and opens it.

    Args:
        data: The text to train on: a file, a folder, a glob, "-" for standard input, or several of
            these; plain or gzip.
        validation: Likewise for validation; None = the share of `data` that `split` says.
        test: Likewise for the test.
        tokeniser: To be learnt from the training part (None = characters), or one that is given.
        split: The shares kept apart; None = the last or chosen tenth for validation, nothing for
            the test.
        reading: What a document is and how bad bytes are met; None = a file, and refused.
        cache: The folder to keep tokens in; None = `$XDG_CACHE_HOME/ostinato` or
            `~/.cache/ostinato`.
        progress: Called with (bytes done, bytes in all, what is being done) while texts are read.

    Raises:
        DataError: Text that is missing, empty, not UTF-8, too short to divide, or given for two
            parts.
        SettingsError: Settings that cannot be.
        MissingExtraError: BPE without the `tokenizers` package.

    Example:
        >>> corpus = prepare_corpus("plays.txt")  # doctest: +SKIP
        >>> corpus.train.targets, corpus.tokeniser.vocabulary_size  # doctest: +SKIP
        (1003854, 67)
    """
    given = {"train": data, "validation": validation, "test": test}
    split = split or Split()
    request = CorpusRequest(
        texts={},
        tokeniser=tokeniser or TokeniserSettings(),
        split=dataclasses.replace(
            split,
            validation_fraction=0.0 if validation is not None else split.validation_fraction,
            test_fraction=0.0 if test is not None else split.test_fraction,
        ),
        reading=reading or TextReading(),
        counts_ends=None,
        progress=progress,
    )
    return _prepare(
        {name: paths for name, paths in given.items() if paths is not None}, request, cache
    )


def prepare_part(
    data: TextPaths,
    *,
    tokeniser: Tokeniser,
    counts_ends: bool,
    reading: TextReading | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> TokenPart:
    """Tokenises other text for a model that is trained already, as one undivided part.

    Args:
        data: As `prepare_corpus` takes it.
        tokeniser: The model's own.
        counts_ends: As in the model's training (`corpus.train.counts_ends`): whether it learnt to
            end documents.
        reading: What a document is and how bad bytes are met.
        cache: The folder to keep tokens in.
        progress: Called while texts are read.

    Raises:
        DataError: Text that is missing, empty or not UTF-8.
    """
    request = CorpusRequest(
        texts={},
        tokeniser=tokeniser,
        split=Split(validation_fraction=0.0),
        reading=reading or TextReading(),
        counts_ends=counts_ends,
        progress=progress,
    )
    return _prepare({"text": data}, request, cache).parts["text"]


def open_corpus(
    fingerprint: str, sources: dict[str, list[str]], *, cache: str | Path | None = None
) -> Corpus:
    """Opens a corpus that lies in the cache, without its texts, as when standard input was read.

    Args:
        fingerprint: Of the corpus, `Corpus.fingerprint`.
        sources: The names of its texts, `Corpus.sources`.
        cache: As when it was prepared.

    Raises:
        DataError: It is not there or is damaged.
    """
    return _open(corpora_folder(cache) / fingerprint, sources)


def _prepare(
    given: dict[str, TextPaths], request: CorpusRequest, cache: str | Path | None
) -> Corpus:
    corpora = corpora_folder(cache)
    with scratch_folder(corpora) as scratch:
        texts = {name: find_sources(paths, scratch) for name, paths in given.items()}
        request = dataclasses.replace(request, texts=texts)
        found = contents(request)
        folder = corpora / fingerprint(request, found)
        sources = {name: _names(part) for name, part in texts.items()}
        if not _is_whole(folder):
            set_aside(folder, scratch)
            unfinished = scratch / "corpus"
            unfinished.mkdir()
            build_corpus(request, found, unfinished)
            publish(unfinished, folder)
    return _open(folder, sources)


def _is_whole(folder: Path) -> bool:
    """Whether a corpus can be opened; a damaged one is made again, nothing is lost."""
    try:
        _open(folder, {})
    except DataError:
        return False
    return True


def _open(folder: Path, sources: dict[str, list[str]]) -> Corpus:
    try:
        content = json.loads((folder / CORPUS_FILE).read_text(encoding="utf-8"))
        records = {name: PartRecord(**record) for name, record in content["parts"].items()}
        known = content["format"] == CORPUS_FORMAT
    except FileNotFoundError:
        raise DataError(
            f"no corpus in {folder}: give the text again, so that it is made anew"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder / CORPUS_FILE} is damaged: {error!r}; remove {folder}") from error
    if not known:
        raise DataError(f"{folder} was written by another version of Ostinato; remove it")
    parts = {
        name: TokenPart(name, folder, record, _shown(sources.get(name) or sources.get("train", [])))
        for name, record in records.items()
    }
    return Corpus(load_tokeniser(folder), parts, folder.name, folder, sources)


def _names(sources: Sequence[TextSource]) -> list[str]:
    return [source.name for source in sources]


def _shown(names: Sequence[str]) -> str:
    if not names:
        return "the text"
    first = Path(names[0]).name
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"
