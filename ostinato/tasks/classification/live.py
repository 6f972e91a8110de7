"""A sample that is still coming: its class after each step, for constant work a step."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ostinato.data.classification.codec import SampleCodec, SeriesCodec, TextCodec
from ostinato.errors import DataError, SettingsError
from ostinato.models import Classifier
from ostinato.tasks.classification.prediction import Prediction, predictions

Step = str | Sequence[float] | NDArray[np.float32]
"""A piece of a text, or the numbers of a step."""


class LiveClassification:
    """Reads one sample as it comes; nothing of it is kept but the model's state.

    Made by `ClassificationRun.live`.

    Args:
        model: in evaluation mode; reads one way.
        codec: the model's own.
        threshold: a label is given from this probability, of samples with several labels.

    Raises:
        SettingsError: the model reads both ways; or its steps are not those of the sample: parts
            of words that depend on what follows, a fixed order of all steps.
    """

    def __init__(self, model: Classifier, codec: SampleCodec, threshold: float) -> None:
        _refuse_what_needs_the_whole(codec)
        self._model, self._codec, self._threshold = model, codec, threshold
        self._device = next(model.parameters()).device
        self._waiting: list[NDArray[np.float32]] = []
        self._stepper, self._begun = model.stepper(1), False

    def feed(self, step: Step, place: str = "the step") -> Prediction | None:
        """One more step.

        Args:
            step: the numbers of a step (feature,); or a piece of a text, of one token or more.
            place: where it stands, for messages.

        Returns:
            What the model says of the sample so far; None while steps that are read as one are not
            yet complete, or where a piece of text holds no token.

        Raises:
            DataError: numbers that are not as in training, or a text in place of them.
        """
        codec = self._codec.inputs
        if isinstance(codec, TextCodec):
            return self._read_piece(step, place, codec)
        self._waiting.append(_numbers(step, place, codec))
        if len(self._waiting) < codec.fold:
            return None
        return self._read_waiting(place, codec)

    def finish(self) -> Prediction | None:
        """The sample has ended: the next step is the first of another.

        Returns:
            What the model says of the whole, where steps were still waiting to be read as one;
            None: the last answer of `feed` stands.
        """
        found, codec = None, self._codec.inputs
        if self._waiting and isinstance(codec, SeriesCodec):
            found = self._read_waiting("the last steps", codec)
        self._stepper.restart()
        self._begun = False
        return found

    def _read_piece(self, step: Step, place: str, codec: TextCodec) -> Prediction | None:
        if not isinstance(step, str):
            raise DataError(f"{place}: expected a piece of a text, got numbers")
        # As in training, where the white space around a text is no part of it.
        tokens = codec.encode_piece(step if self._begun else step.lstrip())
        self._begun = self._begun or len(tokens) > 0
        return self._read(tokens) if len(tokens) else None

    def _read_waiting(self, place: str, codec: SeriesCodec) -> Prediction:
        series, self._waiting = np.stack(self._waiting), []
        try:
            return self._read(codec.encode_series(series))
        except DataError as problem:
            raise DataError(f"{place}{problem}") from None

    def _read(self, encoded: NDArray) -> Prediction:
        """Tokens (time,) or numbers (time, feature), at least one."""
        steps = torch.from_numpy(encoded).to(self._device).split(1)
        for one in steps[:-1]:
            self._stepper(one)
        given = self._model.probabilities(self._stepper(steps[-1])).numpy(force=True)
        return predictions(given, self._codec, self._threshold)[0]


def _numbers(step: Step, place: str, codec: SeriesCodec) -> NDArray[np.float32]:
    if isinstance(step, str):
        raise DataError(f"{place}: expected the numbers of a step, got a text")
    numbers = np.atleast_1d(np.asarray(step, np.float32))
    if numbers.shape != (len(codec.features),):
        raise DataError(
            f"{place}: a step has {numbers.size} numbers, and {len(codec.features)} in training "
            f"({', '.join(codec.features[:8])})"
        )
    return numbers


def _refuse_what_needs_the_whole(codec: SampleCodec) -> None:
    inputs = codec.inputs
    if isinstance(inputs, TextCodec) and inputs.lines.tokeniser.kind == "bpe":
        raise SettingsError(
            "tokens of byte-pair encoding depend on what follows them, so a text cannot be read "
            "piece by piece: train with --tokens words, characters or bytes"
        )
    if isinstance(inputs, SeriesCodec) and inputs.order is not None:
        raise SettingsError(
            "this model reads the steps of a sample in a fixed order of its own (permutation), so "
            "that it cannot read them as they come"
        )
