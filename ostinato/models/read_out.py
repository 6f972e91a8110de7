"""From the outputs of all steps to one vector a sample, always within its own length.

    last         h_T; of a layer that reads both ways its forward half at the last step and its
                 backward half at the first, each after all that it read
    mean         1/T sum_t h_t
    max          max_t h_t, feature by feature
    attention    sum_t a_t h_t      a = softmax_t(v tanh(W h_t + b))      (Yang 2016, equations 5-7)

Every read-out also tells what it would have read had the sample ended at each of its steps: of
whole samples in one pass (`each_step`), of one that is still coming by a state of constant size
(`initial_state`, `step`). This is how a class is predicted early.
"""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.layers import mask_of_lengths
from ostinato.state import NoState

ReadOutName = Literal["last", "mean", "max", "attention"]


class MeanState(NamedTuple):
    """The sum of the outputs so far (batch, feature), and how many there were (batch,)."""

    total: Any
    steps: Any


class MaxState(NamedTuple):
    """The largest of the outputs so far (batch, feature)."""

    largest: Any


class WeightedState(NamedTuple):
    """The weighted sum of the outputs so far (batch, feature), in units of exp(largest score).

    `weight` (batch,) is the sum of the weights, `largest` (batch,) the largest score so far.
    """

    total: Any
    weight: Any
    largest: Any


class ReadOut(nn.Module, ABC):
    """One vector a sample from the outputs of a recurrent layer."""

    @abstractmethod
    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """(batch, time, feature) and (batch,), each length at least 1, to (batch, feature)."""

    @abstractmethod
    def each_step(self, outputs: Tensor) -> Tensor:
        """(batch, time, feature): at step t what `forward` gives for a sample of t steps.

        Of a layer with one direction only, for the outputs before a step must not know of it.
        """

    @abstractmethod
    def initial_state(self, batch_size: int, like: Tensor) -> Any:
        """What is known before the first step.

        Args:
            batch_size: samples read side by side.
            like: a tensor of the outputs' type and device, whose last axis is their features.
        """

    @abstractmethod
    def step(self, output: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One more output (batch, feature): the vector of all so far, and the state after it."""


class LastStep(ReadOut):
    """The outputs at each direction's own last step.

    Args:
        forward_size: features of the forward half, which come first; None: all of them are.
    """

    def __init__(self, forward_size: int | None = None) -> None:
        super().__init__()
        self.forward_size = forward_size

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        last = outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]
        if self.forward_size is None:
            return last
        half = self.forward_size
        return torch.cat([last[:, :half], outputs[:, 0, half:]], 1)

    def each_step(self, outputs: Tensor) -> Tensor:
        return outputs

    def initial_state(self, batch_size: int, like: Tensor) -> NoState:
        return NoState()

    def step(self, output: Tensor, state: NoState) -> tuple[Tensor, NoState]:
        return output, state


class MeanOverTime(ReadOut):
    """The mean of the outputs."""

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        real = mask_of_lengths(lengths, outputs.shape[1]).unsqueeze(2)
        return torch.where(real, outputs, 0).sum(1) / lengths.unsqueeze(1)

    def each_step(self, outputs: Tensor) -> Tensor:
        steps = torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
        return outputs.cumsum(1) / steps.unsqueeze(1)

    def initial_state(self, batch_size: int, like: Tensor) -> MeanState:
        return MeanState(like.new_zeros(batch_size, like.shape[-1]), like.new_zeros(batch_size))

    def step(self, output: Tensor, state: MeanState) -> tuple[Tensor, MeanState]:
        after = MeanState(state.total + output, state.steps + 1)
        return after.total / after.steps.unsqueeze(1), after


class MaxOverTime(ReadOut):
    """The largest of the outputs, feature by feature."""

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        real = mask_of_lengths(lengths, outputs.shape[1]).unsqueeze(2)
        return torch.where(real, outputs, -torch.inf).amax(1)

    def each_step(self, outputs: Tensor) -> Tensor:
        return outputs.cummax(1).values

    def initial_state(self, batch_size: int, like: Tensor) -> MaxState:
        return MaxState(like.new_full((batch_size, like.shape[-1]), -torch.inf))

    def step(self, output: Tensor, state: MaxState) -> tuple[Tensor, MaxState]:
        largest = torch.maximum(state.largest, output)
        return largest, MaxState(largest)


class AttentionOverTime(ReadOut):
    """The mean of the outputs by learnt weights.

    Args:
        size: features of an output.
        hidden_size: features of what is scored.
    """

    def __init__(self, size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        return torch.einsum("bt,btf->bf", self.weights(outputs, lengths), outputs)

    def weights(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """How much each step counts (batch, time): they sum to 1, and are 0 behind the end."""
        real = mask_of_lengths(lengths, outputs.shape[1])
        return torch.where(real, self._scores(outputs), -torch.inf).softmax(1)

    def each_step(self, outputs: Tensor) -> Tensor:
        # A sum of exponentials over every beginning: in double for what comes early and is small.
        scores = self._scores(outputs).double()
        weights = (scores - scores.amax(1, keepdim=True)).exp().unsqueeze(2)
        return ((weights * outputs).cumsum(1) / weights.cumsum(1)).to(outputs)

    def initial_state(self, batch_size: int, like: Tensor) -> WeightedState:
        return WeightedState(
            like.new_zeros(batch_size, like.shape[-1]),
            like.new_zeros(batch_size),
            like.new_full((batch_size,), -torch.inf),
        )

    def step(self, output: Tensor, state: WeightedState) -> tuple[Tensor, WeightedState]:
        score = self._scores(output.unsqueeze(1)).squeeze(1)
        largest = torch.maximum(state.largest, score)
        before, weight = (state.largest - largest).exp(), (score - largest).exp()
        total = state.total * before.unsqueeze(1) + output * weight.unsqueeze(1)
        after = WeightedState(total, state.weight * before + weight, largest)
        return after.total / after.weight.unsqueeze(1), after

    def _scores(self, outputs: Tensor) -> Tensor:
        return self.score(self.hidden(outputs).tanh()).squeeze(2)
