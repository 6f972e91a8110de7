"""One class for a whole sequence, or several labels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import Dropout, RecurrentLayer, check_rate
from ostinato.models.classifier_stepper import ClassifierStepper
from ostinato.models.label_smoothing import smoothed_losses
from ostinato.models.read_out import (
    AttentionOverTime,
    LastStep,
    MaxOverTime,
    MeanOverTime,
    ReadOut,
    ReadOutName,
)
from ostinato.models.step_features import NumberSteps, TokenSteps


class ClassifierState(NamedTuple):
    """What is carried from step to step: the layer's state, and the read-out's."""

    recurrent: Any
    read_out: Any


class Classifier(nn.Module):
    """Features of steps, a recurrent layer over them, one vector a sample, and classes.

        e_t = features(step t)    h_1 ... h_T = recurrent(e_1 ... e_T)    r = read_out(h_1 ... h_T)
        scores = W r + b          P(class) = softmax(scores)

    With `several` each class is a label that a sample has or has not, whatever others it has:

        P(label) = sigmoid(score)

    Every sample is read within its own length: what lies behind it changes nothing.

    Args:
        features: from steps to numbers.
        recurrent: reads `features.output_size` features, one way or both.
        class_count: classes to tell apart.
        read_out: "last", "mean", "max" or "attention"; see `ostinato.models.read_out`.
        dropout: share of the features and of the vector r dropped in training.
        class_weights: what a sample of each class counts in the loss; with `several` what a
            label counts where it is there. None: 1.
        label_smoothing: share of the truth spread over all classes in the loss; with `several`
            over there and not there.
        several: whether a sample has any number of labels, in place of one class.

    Raises:
        SettingsError: sizes or options that do not fit.

    Example:
        >>> classifier = ostinato.Classifier(
        ...     ostinato.NumberSteps(3), ostinato.GRU(3, 16, bidirectional=True), 5, read_out="mean"
        ... )
        >>> scores = classifier(torch.randn(2, 7, 3), torch.tensor([7, 4]))
        >>> scores.shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        features: TokenSteps | NumberSteps,
        recurrent: RecurrentLayer,
        class_count: int,
        *,
        read_out: ReadOutName = "last",
        dropout: float = 0.0,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        several: bool = False,
    ) -> None:
        super().__init__()
        check_rate("dropout", dropout)
        check_rate("label_smoothing", label_smoothing)
        if recurrent.input_size != features.output_size:
            raise SettingsError(
                f"the recurrent layer reads {recurrent.input_size} features, but a step has "
                f"{features.output_size}"
            )
        if class_weights is not None and len(class_weights) != class_count:
            raise SettingsError(f"{len(class_weights)} class_weights for {class_count} classes")
        self.features = features
        self.dropout = Dropout(dropout)
        self.recurrent = recurrent
        self.read_out = _read_out(read_out, recurrent)
        self.output = nn.Linear(recurrent.output_size, class_count)
        self.label_smoothing = label_smoothing
        self.several = several
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The score of each class for each sample.

        Args:
            inputs: tokens (batch, time) or numbers (batch, time, feature), as `features` reads.
            lengths: integers (batch,), the steps of each sample, at least 1.

        Returns:
            scores (batch, class_count).

        Raises:
            ShapeError: a shape does not fit.
        """
        if lengths.shape != inputs.shape[:1]:
            raise ShapeError(
                f"lengths must be ({inputs.shape[0]},), one a sample, got {tuple(lengths.shape)}"
            )
        outputs = self._outputs(inputs, lengths)
        return self.output(self.dropout(self.read_out(outputs, lengths)))

    def scores_by_step(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The scores after every step, as if the sample ended there: (batch, time, class_count).

        Those past a sample's length mean nothing.

        Raises:
            SettingsError: the recurrent layer reads both ways.
        """
        self._refuse_both_ways()
        outputs = self._outputs(inputs, lengths)
        return self.output(self.dropout(self.read_out.each_step(outputs)))

    def initial_state(self, batch_size: int) -> ClassifierState:
        """Before the first step of samples that are still coming.

        Raises:
            SettingsError: the recurrent layer reads both ways.
        """
        self._refuse_both_ways()
        like = self.output.weight
        read = self.read_out.initial_state(batch_size, like)
        return ClassifierState(self.recurrent.initial_state(batch_size), read)

    def step(self, step_input: Tensor, state: ClassifierState) -> tuple[Tensor, ClassifierState]:
        """One step of each sample: its scores as if it ended there, for constant work.

        Args:
            step_input: tokens (batch,) or numbers (batch, feature), as `features` reads.
            state: `initial_state`, or what the step before gave.

        Returns:
            scores (batch, class_count), and the state after this step.
        """
        features = self.dropout(self.features(step_input.unsqueeze(1)).squeeze(1))
        output, recurrent = self.recurrent.step(features, state.recurrent)
        vector, read = self.read_out.step(output, state.read_out)
        return self.output(self.dropout(vector)), ClassifierState(recurrent, read)

    def stepper(self, batch_size: int) -> ClassifierStepper:
        """This classifier prepared for streaming: steps in evaluation mode at the least cost.

        Raises:
            SettingsError: the recurrent layer reads both ways.
        """
        return ClassifierStepper(self, batch_size)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The probability of each class, of the scores (..., class_count) of any of these methods.

        In double, so that what is all but sure keeps its digits.
        """
        return scores.double().sigmoid() if self.several else scores.double().softmax(-1)

    def loss(self, scores: Tensor, classes: Tensor) -> Tensor:
        """The loss (batch,) of each sample, in nats times the weight of its class.

        Args:
            scores: as `forward` gives them.
            classes: indices of the true ones (batch,); with `several` whether each label is there
                (batch, class_count), and the loss is the sum over all labels.
        """
        if self.several:
            truth = classes.to(torch.float32)
            truth = truth * (1 - self.label_smoothing) + self.label_smoothing / 2
            return nn.functional.binary_cross_entropy_with_logits(
                scores.float(), truth, pos_weight=self.class_weights, reduction="none"
            ).sum(1)
        logs = scores.float().log_softmax(1)
        losses = smoothed_losses(logs, classes, self.label_smoothing, scores.shape[1])
        if self.class_weights is None:
            return losses
        return losses * self.class_weights[classes]

    def _refuse_both_ways(self) -> None:
        if self.recurrent.bidirectional:
            raise SettingsError(
                "a class after every step needs a layer that reads one way: the backward half "
                "knows what is still to come"
            )

    def _outputs(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        features = self.dropout(self.features(inputs))
        return self.recurrent(features, lengths=lengths)[0]


def _read_out(name: ReadOutName, recurrent: RecurrentLayer) -> ReadOut:
    if name == "last":
        top = recurrent.cells[-1].output_size
        return LastStep(int(top) if recurrent.bidirectional else None)  # pyright: ignore[reportArgumentType]
    if name == "attention":
        return AttentionOverTime(recurrent.output_size, recurrent.output_size)
    known = {"mean": MeanOverTime, "max": MaxOverTime}
    if name not in known:
        raise SettingsError(f"read_out must be last, mean, max or attention, got {name!r}")
    return known[name]()
