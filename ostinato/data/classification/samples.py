"""Samples as read: texts or series of numbers, each with its class and its place in a file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.columns import NO_COLUMNS, Columns
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

    inputs: list[SampleInput] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
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
        labels = [self.labels[number] for number in numbers] if self.labels else []
        return Samples(
            [self.inputs[number] for number in numbers],
            labels,
            [self.places[number] for number in numbers],
            self.name,
            self.features,
            self.columns,
        )


def collect(
    samples: Iterable[Sample],
    name: str,
    features: tuple[str, ...] = (),
    columns: Columns = NO_COLUMNS,
) -> Samples:
    """All of these samples.

    Raises:
        DataError: a sample without a step or without a class among those that have one; none.
    """
    found = Samples([], [], [], name, features, columns)
    for sample in samples:
        if len(sample.input) == 0 or (isinstance(sample.input, str) and not sample.input.strip()):
            what = "text" if isinstance(sample.input, str) else "series"
            raise DataError(
                f"{name}, {sample.place}: the {what} is empty, there is nothing to read"
            )
        if sample.label is not None:
            if not sample.label and columns.separator is None:
                raise DataError(
                    f"{name}, {sample.place}: the label is empty; if samples can have several "
                    'labels or none, say what stands between them, as --separator "|"'
                )
            found.labels.append(sample.label)
        found.inputs.append(sample.input)
        found.places.append(sample.place)
    if not found.inputs:
        raise DataError(f"{name} holds no sample")
    return found
