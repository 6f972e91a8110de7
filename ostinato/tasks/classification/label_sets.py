"""How often a classifier gives the labels that a sample has, where it can have several or none."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.xray.calibration import calibration_error, draw_calibration
from ostinato.xray.labels import LabelFigure, draw_labels


@dataclass(frozen=True)
class LabelSetJudgement:
    """What a test gave.

    Attributes:
        figures: see `score_label_sets`.
        true: (samples, labels), whether each is there.
        probabilities: (samples, labels), those that the model gave.
        classes: the labels' names.
        threshold: the probability from which a label is given.
    """

    figures: dict[str, Any]
    true: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]
    threshold: float

    @property
    def confusion(self) -> Counter[tuple[str, str]]:
        """Of how many samples that have the first label the second is given."""
        matrix = self.true.T.astype(np.int64) @ (self.probabilities >= self.threshold)
        return Counter(
            {
                (self.classes[true], self.classes[found]): int(matrix[true, found])
                for true, found in np.argwhere(matrix).tolist()
            }
        )

    def per_class(self) -> list[LabelFigure]:
        """F1 of each label that is there or given; the most frequent first."""
        f1, seen = _f1_by_label(self.true, self.probabilities >= self.threshold)
        rows = [
            LabelFigure(name, float(f1[index]), int(self.true[:, index].sum()))
            for index, name in enumerate(self.classes)
            if seen[index]
        ]
        return sorted(rows, key=lambda row: (-row.count, row.name))

    def draw(self, picture: Path, *, title: str = "") -> None:
        """Draw F1 by label, and which labels are given where one is there, into a PNG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        draw_labels(
            self.per_class(),
            self.confusion,
            picture,
            title=title,
            measure="F1 of labels",
            several=True,
        )

    def draw_calibration(self, picture: Path, *, title: str = "") -> None:
        """Draw how often a label is there against its probability into a PNG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        draw_calibration(
            self.probabilities.ravel(), self.true.ravel(), picture, title=title, of="each label"
        )


def score_label_sets(
    true: NDArray[np.bool_], probabilities: NDArray[np.float64], threshold: float
) -> dict[str, Any]:
    """How far the labels given are those that are there.

    Args:
        true: (samples, labels), whether each is there.
        probabilities: (samples, labels), of it.
        threshold: a label is given from this probability.

    Returns:
        exact_match, the share of the samples of which all labels are right; micro_f1, F1 over the
        decisions of all labels together, with micro_precision and micro_recall; macro_f1, the mean
        F1 of the labels that are there or given; samples; nats_per_sample, the mean of the sum of
        -log probability over all labels; calibration_error, by how much the probability of a label
        differs from how often it is there.
    """
    given = probabilities >= threshold
    both, told, there = int((true & given).sum()), int(given.sum()), int(true.sum())
    f1, seen = _f1_by_label(true, given)
    of_truth = np.maximum(np.where(true, probabilities, 1 - probabilities), 1e-300)
    return {
        "exact_match": float(np.mean((true == given).all(1))),
        "micro_f1": 2 * both / max(1, told + there),
        "macro_f1": float(f1[seen].mean()) if seen.any() else 0.0,
        "micro_precision": both / max(1, told),
        "micro_recall": both / max(1, there),
        "samples": len(true),
        "nats_per_sample": float(-np.log(of_truth).sum(1).mean()),
        "calibration_error": calibration_error(probabilities.ravel(), true.ravel()),
    }


def _f1_by_label(
    true: NDArray[np.bool_], given: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """F1 of each label, and whether it is there or given anywhere."""
    counted = true.sum(0) + given.sum(0)
    return 2 * (true & given).sum(0) / np.maximum(counted, 1), counted > 0
