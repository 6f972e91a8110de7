"""Samples as read: texts or series of numbers, each with its class and its place in a file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.columns import NO_COLUMNS, Columns
from ostinato.data.long_lists import Chosen, Names, SeriesList, Texts
from ostinato.errors import DataError

SampleInput = str | NDArray[np.float32]
"""A text, or a series (time, feature) in which NaN is a value that is missing."""


class Sample(NamedTuple):
    """One sample.

    Attributes:
        input: see `SampleInput`.
        label: its class; None where it was read without.
        place: where it stands, for messages: "line 3".
    """

    input: SampleInput
    label: str | None
    place: str


@dataclass(frozen=True)
class SampleStream:
    """Samples of one kind as they are read, each once.

    Attributes:
        samples: in the order of their file.
        name: the file or folder, for messages.
        features: what the numbers of a step are; empty of texts.
        columns: of a table, those that are read.
    """

    samples: Iterator[Sample]
    name: str
    features: tuple[str, ...] = ()
    columns: Columns = NO_COLUMNS


@dataclass(frozen=True)
class Samples:
    """Samples of one kind, in the order of their file.

    Attributes:
        inputs: all of them texts, or all of them series of the same features.
        labels: the class of each; empty where they were read without.
        places: where each stands in the file.
        name: the file or folder, for messages.
        features: what the numbers of a step are; empty of texts.
        columns: of a table, those that were read.
    """

    inputs: Sequence[SampleInput] = ()
    labels: Sequence[str] = ()
    places: Sequence[str] = ()
    name: str = ""
    features: tuple[str, ...] = ()
    columns: Columns = NO_COLUMNS

    def __len__(self) -> int:
        return len(self.inputs)

    def place(self, number: int) -> str:
        """Where a sample stands, file and all."""
        return f"{self.name}, {self.places[number]}"

    def some(self, numbers: NDArray[np.int64]) -> "Samples":
        """These of the samples."""
        return Samples(
            Chosen(self.inputs, numbers),
            Chosen(self.labels, numbers) if self.labels else (),
            Chosen(self.places, numbers),
            self.name,
            self.features,
            self.columns,
        )


def collect(stream: SampleStream) -> Samples:
    """All samples of a stream; where they are many they lie in a file, not in memory.

    Raises:
        DataError: a sample without a step or without a class among those that have one; none.
    """
    found = _collected(stream.samples, stream)
    if not len(found):
        raise DataError(f"{stream.name} holds no sample")
    return found


def collect_pieces(stream: SampleStream, count: int) -> Iterator[Samples]:
    """The samples of a stream, so many at a time.

    Raises:
        DataError: as `collect`.
    """
    some = _collected(islice(stream.samples, count), stream)
    if not len(some):
        raise DataError(f"{stream.name} holds no sample")
    while len(some):
        yield some
        some = _collected(islice(stream.samples, count), stream)


def _collected(samples: Iterable[Sample], stream: SampleStream) -> Samples:
    inputs = SeriesList(len(stream.features)) if stream.features else Texts()
    labels, places = Names(), Texts()
    for sample in samples:
        _check(sample, stream)
        inputs.append(sample.input)  # pyright: ignore[reportArgumentType]
        if sample.label is not None:
            labels.append(sample.label)
        places.append(sample.place)
    return Samples(inputs, labels, places, stream.name, stream.features, stream.columns)


def _check(sample: Sample, stream: SampleStream) -> None:
    place = f"{stream.name}, {sample.place}"
    if len(sample.input) == 0 or (isinstance(sample.input, str) and not sample.input.strip()):
        what = "text" if isinstance(sample.input, str) else "series"
        raise DataError(f"{place}: the {what} is empty, there is nothing to read")
    if sample.label == "" and stream.columns.separator is None:
        raise DataError(
            f"{place}: the label is empty; if samples can have several labels or none, say what "
            'stands between them, as --separator "|"'
        )
