"""What a classifier says of samples, and how often it is right."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ostinato.data.classification.batches import SampleBatches, SampleWindow
from ostinato.data.classification.part import SamplePart
from ostinato.models import Classifier
from ostinato.tasks.classification.judgement import ClassificationJudgement, score
from ostinato.tasks.classification.label_sets import LabelSetJudgement, score_label_sets
from ostinato.training.comparison import with_ties_broken
from ostinato.training.device import move_window

_BATCH_STEPS, _BATCH_SAMPLES = 32768, 256

Judgement = ClassificationJudgement | LabelSetJudgement
Progress = Callable[[int, int], None]


def predict(
    model: Classifier, part: SamplePart, *, progress: Progress | None = None
) -> NDArray[np.float64]:
    """The probability of each class for each sample (samples, classes), in the part's order."""
    found = np.zeros((len(part), len(part.codec.classes)))
    with _evaluating(model):
        for window in _windows(model, part, progress):
            given = _probabilities(model, model(window.inputs, window.lengths))
            found[window.rows.numpy(force=True)] = given
    return found


def predict_steps(
    model: Classifier, part: SamplePart, *, progress: Progress | None = None
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The probability of each class after each step, as if the sample ended there.

    Yields:
        The number of a sample, and (its steps, classes); some samples at a time are computed, in
        the order of their lengths.

    Raises:
        SettingsError: the model reads both ways.
    """
    with _evaluating(model):
        for window in _windows(model, part, progress):
            given = _probabilities(model, model.scores_by_step(window.inputs, window.lengths))
            rows, lengths = window.rows.tolist(), window.lengths.tolist()
            for row, length, one in zip(rows, lengths, given, strict=True):
                yield row, one[:length]


def evaluate(
    model: Classifier,
    part: SamplePart,
    *,
    threshold: float = 0.5,
    progress: Progress | None = None,
) -> Judgement:
    """Classify the samples of a part and compare with their classes.

    Args:
        model: in any mode.
        part: read with its classes.
        threshold: probability from which a label is given, of samples with several labels.
        progress: called with the samples done and all of them.
    """
    return judge(model, part, predict(model, part, progress=progress), threshold)


def judge(
    model: Classifier, part: SamplePart, probabilities: NDArray[np.float64], threshold: float
) -> Judgement:
    """Compare probabilities (samples, classes) with the classes of a part."""
    names = part.codec.classes
    if model.several:
        there = part.classes.astype(np.bool_)
        figures = score_label_sets(there, probabilities, threshold)
        return LabelSetJudgement(figures, there, probabilities, names, threshold)
    classes = part.classes.astype(np.int64)
    return ClassificationJudgement(score(classes, probabilities), classes, probabilities, names)


def validation(
    part: SamplePart | None, best_by: str, threshold: float
) -> Callable[[nn.Module], dict[str, Any]] | None:
    """What the trainer calls to validate; None where there is no part for it."""
    if part is None:
        return None

    def validate(model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, Classifier)
        figures = evaluate(model, part, threshold=threshold).figures
        nats = figures["nats_per_sample"]
        error = nats if best_by == "loss" else with_ties_broken(1 - figures[best_by], nats)
        return {"nats_per_unit": nats, "error": error, **figures}

    return validate


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


def _probabilities(model: Classifier, scores: Tensor) -> NDArray[np.float64]:
    return model.probabilities(scores).numpy(force=True)
