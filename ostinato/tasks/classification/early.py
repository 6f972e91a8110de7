"""How early a classifier is right: after each share of each sample's own steps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.part import SamplePart
from ostinato.models import Classifier
from ostinato.tasks.classification.evaluation import Progress, judge, predict_steps
from ostinato.xray.early import WITHIN, draw_early, needed_share

SHARES = tuple(step / 20 for step in range(1, 21))


@dataclass(frozen=True)
class EarlyJudgement:
    """What a test after each share gave.

    Attributes:
        measure: what is counted: accuracy, or micro_f1 of samples with several labels.
        curve: for each share of a sample, in rising order, it and the figure.
    """

    measure: str
    curve: tuple[tuple[float, float], ...]

    @property
    def needed_share(self) -> float:
        """The smallest share from which on the figure is within 0.01 of that of whole samples."""
        return needed_share(self.curve, WITHIN)

    def draw(self, picture: Path, *, title: str = "") -> None:
        """Draw the figure against the share into a PNG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        measure = self.measure.replace("_", " ").replace("f1", "F1")
        draw_early(self.curve, picture, title=title, measure=measure)


def evaluate_early(
    model: Classifier,
    part: SamplePart,
    *,
    threshold: float = 0.5,
    progress: Progress | None = None,
) -> EarlyJudgement:
    """Judge a model after each twentieth of each sample's own steps, at least one step.

    Args:
        model, part, threshold, progress: as in `evaluate`.

    Raises:
        SettingsError: the model reads both ways.
    """
    after = np.zeros((len(SHARES), len(part), len(part.codec.classes)))
    for number, steps in predict_steps(model, part, progress=progress):
        after[:, number] = steps[_places(len(steps))]
    measure = "micro_f1" if model.several else "accuracy"
    merits = [judge(model, part, seen, threshold).figures[measure] for seen in after]
    return EarlyJudgement(measure, tuple(zip(SHARES, merits, strict=True)))


def _places(length: int) -> NDArray[np.int64]:
    """The last step of each share of a sample."""
    return np.maximum(np.round(np.array(SHARES) * length).astype(np.int64), 1) - 1
