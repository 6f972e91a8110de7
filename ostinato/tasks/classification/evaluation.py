"""What a classifier says of samples, and how often it is right."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ostinato.data.classification.batches import SampleBatches, SampleWindow
from ostinato.data.classification.part import SamplePart
from ostinato.models import Classifier
from ostinato.training.device import move_window
from ostinato.xray.calibration import calibration_error, draw_calibration
from ostinato.xray.labels import LabelFigure, draw_labels

_BATCH_STEPS, _BATCH_SAMPLES = 32768, 256
SHARES = (0.25, 0.5, 0.75, 1.0)

Progress = Callable[[int, int], None]


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


def predict(
    model: Classifier, part: SamplePart, *, progress: Progress | None = None
) -> NDArray[np.float64]:
    """The probability of each class for each sample (samples, classes), in the part's order."""
    found = np.zeros((len(part), len(part.codec.classes)))
    with _evaluating(model):
        for window in _windows(model, part, progress):
            given = _probabilities(model(window.inputs, window.lengths))
            found[window.rows.numpy(force=True)] = given
    return found


def predict_steps(
    model: Classifier, part: SamplePart, *, progress: Progress | None = None
) -> list[NDArray[np.float64]]:
    """The probability of each class after each step, as if the sample ended there.

    Returns:
        For each sample (its steps, classes).

    Raises:
        SettingsError: the model reads both ways.
    """
    found: list[NDArray[np.float64]] = [np.zeros((0, 0))] * len(part)
    with _evaluating(model):
        for window in _windows(model, part, progress):
            given = _probabilities(model.scores_by_step(window.inputs, window.lengths))
            for row, length, one in zip(
                window.rows.tolist(), window.lengths.tolist(), given, strict=True
            ):
                found[row] = one[:length]
    return found


def evaluate(
    model: Classifier, part: SamplePart, *, progress: Progress | None = None
) -> ClassificationJudgement:
    """Classify the samples of a part and compare with their classes."""
    probabilities = predict(model, part, progress=progress)
    figures = score(part.classes, probabilities)
    return ClassificationJudgement(figures, part.classes, probabilities, part.codec.classes)


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


def accuracy_by_share(
    model: Classifier, part: SamplePart, *, progress: Progress | None = None
) -> list[tuple[float, float]]:
    """The accuracy after 25, 50, 75 and 100 per cent of each sample's own steps.

    Returns:
        For each share: it, and the accuracy.

    Raises:
        SettingsError: the model reads both ways.
    """
    right = np.zeros(len(SHARES))
    steps = predict_steps(model, part, progress=progress)
    for one, true in zip(steps, part.classes.tolist(), strict=True):
        after = np.maximum(np.round(np.array(SHARES) * len(one)).astype(int), 1) - 1
        right += one[after].argmax(1) == true
    return list(zip(SHARES, (right / len(part)).tolist(), strict=True))


def validation(
    part: SamplePart | None, best_by: str
) -> Callable[[nn.Module], dict[str, Any]] | None:
    """What the trainer calls to validate; None where there is no part for it."""
    if part is None:
        return None

    def validate(model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, Classifier)
        figures = evaluate(model, part).figures
        nats = figures["nats_per_sample"]
        error = nats if best_by == "loss" else 1 - figures[best_by]
        return {"nats_per_unit": nats, "error": error, **figures}

    return validate


def confusion_matrix(
    true: NDArray[np.int64], found: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """How many samples have this true (row) and this predicted (column) class."""
    return np.bincount(true * classes + found, minlength=classes**2).reshape(classes, classes)


def f1_by_class(matrix: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """F1 of each class, and whether it is true or predicted of any sample."""
    both = matrix.sum(0) + matrix.sum(1)
    return 2 * np.diag(matrix) / np.maximum(both, 1), both > 0


@contextmanager
def _evaluating(model: Classifier) -> Iterator[None]:
    """The model as in evaluation, without gradients, as long as this lasts."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        yield
    model.train(was_training)


def _windows(
    model: Classifier, part: SamplePart, progress: Progress | None
) -> Iterator[SampleWindow]:
    device, done = next(model.parameters()).device, 0
    batches = SampleBatches(part, steps=_BATCH_STEPS, samples=_BATCH_SAMPLES)
    for index in range(len(batches)):
        window = batches[index]
        yield move_window(window, device)
        done += window.units
        if progress is not None:
            progress(done, len(part))


def _probabilities(scores: Tensor) -> NDArray[np.float64]:
    return scores.double().softmax(-1).numpy(force=True)
