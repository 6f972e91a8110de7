"""A classifier prepared for samples that are still coming: a step at a time at the least cost."""

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ostinato.models.classifier import Classifier


@final
class ClassifierStepper:
    """Reads one step at a time, as `classifier.step` in evaluation mode, its state inside.

    The weights are taken as they are when it is made; make a new one after they changed. No
    gradient is kept. Made by `classifier.stepper(batch_size)`.

    Args:
        classifier: reads one way.
        batch_size: how many samples are read side by side.
    """

    def __init__(self, classifier: "Classifier", batch_size: int) -> None:
        self._classifier = classifier
        self._initial = classifier.initial_state(batch_size)
        self._recurrent = classifier.recurrent.stepper(batch_size)
        self._read = self._initial.read_out

    def restart(self) -> None:
        """The next step is the first of other samples."""
        self._recurrent.state = self._initial.recurrent
        self._read = self._initial.read_out

    @torch.no_grad()
    def __call__(self, step_input: Tensor) -> Tensor:
        """The scores (batch, class_count) after one more step, as if the samples ended there.

        Args:
            step_input: tokens (batch,) or numbers (batch, feature), as the features read.
        """
        features = self._classifier.features(step_input.unsqueeze(1)).squeeze(1)
        vector, self._read = self._classifier.read_out.step(self._recurrent(features), self._read)
        return self._classifier.output(vector)
