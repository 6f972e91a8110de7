"""What a classifier says of one sample."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.codec import SampleCodec


class Prediction(NamedTuple):
    """What is said of a sample.

    Attributes:
        label: its likeliest class.
        probability: of this class.
        probabilities: of each class.
        labels: those given: the class alone; of samples with several labels or none all that are
            as likely as the threshold, the likeliest first.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    labels: tuple[str, ...]


def predictions(
    probabilities: NDArray[np.float64], codec: SampleCodec, threshold: float
) -> list[Prediction]:
    """Probabilities (samples, classes) with the names of the classes.

    Args:
        probabilities: of each class.
        codec: knows the names, and whether a sample has several labels.
        threshold: a label is given from this probability.
    """
    return [_prediction(row, codec, threshold) for row in probabilities.tolist()]


def _prediction(row: list[float], codec: SampleCodec, threshold: float) -> Prediction:
    classes = codec.classes
    first = max(range(len(row)), key=row.__getitem__)
    labels = (classes[first],)
    if codec.separator is not None:
        given = [index for index, one in enumerate(row) if one >= threshold]
        labels = tuple(classes[index] for index in sorted(given, key=lambda index: -row[index]))
    return Prediction(classes[first], row[first], dict(zip(classes, row, strict=True)), labels)
