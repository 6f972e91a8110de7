"""How often a classifier's likeliest class is the true one."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.xray.calibration import calibration_error, draw_calibration
from ostinato.xray.labels import LabelFigure, draw_labels


@dataclass(frozen=True)
class ClassificationJudgement:
    """What a test gave.

    Attributes:
        figures: see `score`.
        true: the index of each sample's class.
        probabilities: (samples, classes), those that the model gave.
        classes: their names.
    """

    figures: dict[str, Any]
    true: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def confusion(self) -> Counter[tuple[str, str]]:
        """How many samples have this true and this predicted class."""
        pairs = zip(self.true.tolist(), self.probabilities.argmax(1).tolist(), strict=True)
        return Counter((self.classes[true], self.classes[found]) for true, found in pairs)

    def per_class(self) -> list[LabelFigure]:
        """F1 of each class that is true or predicted; the most frequent first."""
        matrix = confusion_matrix(self.true, self.probabilities.argmax(1), len(self.classes))
        f1, seen = f1_by_class(matrix)
        rows = [
            LabelFigure(name, float(f1[index]), int(matrix[index].sum()))
            for index, name in enumerate(self.classes)
            if seen[index]
        ]
        return sorted(rows, key=lambda row: (-row.count, row.name))

    def draw(self, picture: Path, *, title: str = "") -> None:
        """Draw F1 by class and the confusion of classes into a PNG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        draw_labels(self.per_class(), self.confusion, picture, title=title, measure="F1 of classes")

    def draw_calibration(self, picture: Path, *, title: str = "") -> None:
        """Draw how often the model is right against how sure it is into a PNG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        right = self.probabilities.argmax(1) == self.true
        draw_calibration(self.probabilities.max(1), right, picture, title=title)


def score(true: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """How often the likeliest class is the true one.

    Returns:
        accuracy; balanced_accuracy, the mean over the true classes of the share that was found;
        macro_f1, the mean F1 of all classes that are true or predicted; samples; nats_per_sample,
        the mean -log probability of the true class; calibration_error, by how much the model is
        surer than right, or less, on average.
    """
    found = probabilities.argmax(1)
    matrix = confusion_matrix(true, found, probabilities.shape[1])
    f1, seen = f1_by_class(matrix)
    there = matrix.sum(1) > 0
    of_truth = np.maximum(probabilities[np.arange(len(true)), true], 1e-300)
    return {
        "accuracy": float(np.mean(found == true)),
        "balanced_accuracy": float(np.mean(np.diag(matrix)[there] / matrix.sum(1)[there])),
        "macro_f1": float(np.mean(f1[seen])),
        "samples": len(true),
        "nats_per_sample": float(np.mean(-np.log(of_truth))),
        "calibration_error": calibration_error(probabilities.max(1), found == true),
    }


def confusion_matrix(
    true: NDArray[np.int64], found: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """How many samples have this true (row) and this predicted (column) class."""
    return np.bincount(true * classes + found, minlength=classes**2).reshape(classes, classes)


def f1_by_class(matrix: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """F1 of each class, and whether it is true or predicted of any sample."""
    both = matrix.sum(0) + matrix.sum(1)
    return 2 * np.diag(matrix) / np.maximum(both, 1), both > 0
