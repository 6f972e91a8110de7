"""Divides a text into training, validation and test parts without leaking.

One document is cut into three stretches: training first, then validation, then test. Several
documents are divided whole, by a hash of their content and the seed: equal documents, as repeated
lines are, always land in the same part.
"""

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.documents import Piece
from ostinato.data.text_cuts import first_cut
from ostinato.errors import DataError, SettingsError

Selection = Callable[[Iterable[Piece]], Iterator[Piece]]

_BUCKETS = 1 << 20
_DOCUMENTS_AT_ONCE = 1 << 20
_LOOK_AHEAD = 1 << 20


@dataclass(frozen=True)
class Split:
    """Which shares of the text are kept for validation and test, where no files are given for them.

    Args:
        validation_fraction: Share of the characters (one document) or documents (several), from 0
            to below 1.
        test_fraction: Likewise.
        seed: Decides which documents go where.

    Raises:
        SettingsError: Fractions out of range, or together leaving nothing to train on.
    """

    validation_fraction: float = 0.1
    test_fraction: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name} must be from 0 to below 1, not {getattr(self, name)}")
        if self.validation_fraction + self.test_fraction >= 1:
            raise SettingsError(
                f"validation_fraction ({self.validation_fraction}) and test_fraction "
                f"({self.test_fraction}) together leave nothing to train on"
            )

    @property
    def divides(self) -> bool:
        """Whether anything is kept apart."""
        return self.validation_fraction > 0 or self.test_fraction > 0


class Survey(NamedTuple):
    """What must be known of a text before it is divided.

    `hashes` is a file with a checksum (uint32) of each document.
    """

    documents: int
    characters: int
    hashes: Path


def survey_documents(pieces: Iterable[Piece], hashes: Path) -> Survey:
    """Counts documents and characters and writes the documents' checksums to the file `hashes`."""
    documents, characters, checksum = 0, 0, 0
    with hashes.open("wb") as file:
        for texts, closed in pieces:
            finished = array("I")
            for text in texts:
                checksum = zlib.crc32(text.encode(), checksum)
                finished.append(checksum)
                checksum = 0
                characters += len(text)
            if not closed:
                checksum = finished.pop()
            documents += len(finished)
            file.write(finished.tobytes())
    return Survey(documents, characters, hashes)


def divide(
    survey: Survey, split: Split, pieces: Callable[[], Iterable[Piece]], cuts_anywhere: bool
) -> dict[str, Selection]:
    """For "train", "validation" and "test", what takes the part out of the whole text.

    Args:
        survey: Of the whole text.
        split: The shares.
        pieces: Reads the text again from its start.
        cuts_anywhere: Whether one document may be cut within a word.

    Raises:
        DataError: Too little text for a share.
    """
    if survey.documents == 1:
        return _stretches(survey.characters, split, pieces, cuts_anywhere)
    return _by_document(survey, split)


def _stretches(
    characters: int, split: Split, pieces: Callable[[], Iterable[Piece]], cuts_anywhere: bool
) -> dict[str, Selection]:
    # The small term keeps a product such as 0.9 * 10 from being rounded down to 8.
    kept = (1 - split.validation_fraction - split.test_fraction, 1 - split.test_fraction)
    cuts = [int(characters * share + 1e-6) for share in kept]
    if not cuts_anywhere:
        cuts = [_cut_behind(pieces(), cut, characters) for cut in cuts]
    bounds = {
        "train": (0, cuts[0]),
        "validation": (cuts[0], cuts[1]),
        "test": (cuts[1], characters),
    }
    _require(bounds, split, f"one document of {characters} characters")
    return {name: _stretch(start, stop) for name, (start, stop) in bounds.items() if start < stop}


def _stretch(start: int, stop: int) -> Selection:
    """Takes the characters [start, stop) of a text that is one document."""

    def select(pieces: Iterable[Piece]) -> Iterator[Piece]:
        place = 0
        for texts, _ in pieces:
            for text in texts:
                chosen = text[max(start - place, 0) : max(stop - place, 0)]
                place += len(text)
                if chosen:
                    yield Piece([chosen], closed=False)
            if place >= stop:
                break
        yield Piece([""], closed=True)

    return select


def _cut_behind(pieces: Iterable[Piece], position: int, characters: int) -> int:
    """The first place from `position` on where words may be cut, or the text's end."""
    if position >= characters:
        return characters
    before = max(position - 2, 0)  # a cut is known by the two characters before it
    seen = ""
    for texts, _ in _stretch(before, min(position + _LOOK_AHEAD, characters))(pieces):
        seen += texts[0]
        cut = first_cut(seen, position - before)
        if cut is not None:
            return before + cut
    return characters


def _by_document(survey: Survey, split: Split) -> dict[str, Selection]:
    counts = np.zeros(_BUCKETS, dtype=np.int64)
    hashes = np.memmap(survey.hashes, dtype=np.uint32, mode="r")
    for start in range(0, survey.documents, _DOCUMENTS_AT_ONCE):
        buckets = _buckets(hashes[start : start + _DOCUMENTS_AT_ONCE], split.seed)
        counts += np.bincount(buckets, minlength=_BUCKETS)
    reached = np.cumsum(counts)
    validation = _share(split.validation_fraction, survey.documents)
    test = _share(split.test_fraction, survey.documents)
    first = _bucket_of(reached, validation)
    second = _bucket_of(reached, validation + test)
    bounds = {"validation": (0, first), "test": (first, second), "train": (second, _BUCKETS)}
    occupied = {name: _occupied(counts, *ends) for name, ends in bounds.items()}
    _require(occupied, split, f"{survey.documents} documents")
    return {
        name: _documents_in(hashes, split.seed, *bounds[name])
        for name, (start, stop) in occupied.items()
        if start < stop
    }


def _documents_in(
    hashes: NDArray[np.uint32], seed: int, first_bucket: int, end_bucket: int
) -> Selection:
    """Takes the documents whose bucket lies in [first_bucket, end_bucket)."""

    def select(pieces: Iterable[Piece]) -> Iterator[Piece]:
        document = 0
        for texts, closed in pieces:
            buckets = _buckets(hashes[document : document + len(texts)], seed)
            chosen = (first_bucket <= buckets) & (buckets < end_bucket)
            document += len(texts) - (not closed)
            if chosen.any():
                yield Piece(list(compress(texts, chosen)), closed or not chosen[-1])

    return select


def _buckets(hashes: NDArray[np.uint32], seed: int) -> NDArray[np.int64]:
    """A number below 2^20, like chance, from document and seed (the mixing of splitmix64)."""
    seeded = (seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64
    mixed = hashes.astype(np.uint64) + np.uint64(seeded)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(44)).astype(np.int64)


def _share(fraction: float, documents: int) -> int:
    return max(round(fraction * documents), 1) if fraction > 0 else 0


def _bucket_of(reached: NDArray[np.int64], documents: int) -> int:
    """How many buckets from the first hold at least so many documents."""
    return int(np.searchsorted(reached, documents)) + 1 if documents else 0


def _occupied(counts: NDArray[np.int64], first: int, end: int) -> tuple[int, int]:
    return 0, int(counts[first:end].sum())


def _require(bounds: dict[str, tuple[int, int]], split: Split, what: str) -> None:
    """Refuses a split in which a part that was asked for is empty."""
    wanted = {"train": 1.0, "validation": split.validation_fraction, "test": split.test_fraction}
    for name, (start, stop) in bounds.items():
        if wanted[name] > 0 and start >= stop:
            raise DataError(
                f"{what} are too few for a {name} part: give more text, smaller fractions, or "
                "files for validation and test"
            )
