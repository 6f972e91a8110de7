"""What a planner learns from: exact answers, or the lengths of its own tours."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.data.planning.batches import PlanningBatch
from ostinato.decoding import Sampling, generate
from ostinato.errors import TrainingError
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import END, PointingRules
from ostinato.state import NoState, detach
from ostinato.training import WindowLoss

_BETTER_THAN_CHANCE = 1.645
"""The normal distribution's 95% quantile: as the t-test of thousands of pairs."""


class LabelObjective(nn.Module):
    """The cross-entropy of exact answers, pointer by pointer.

    Args:
        model: the planner.
        rules: what may be pointed at.
    """

    def __init__(self, model: PointerNetwork, rules: PointingRules) -> None:
        super().__init__()
        self.model = model
        self.rules = rules

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried from batch to batch."""
        return NoState()

    def forward(self, batch: PlanningBatch, carried: NoState | None) -> WindowLoss:
        """The losses of a batch's targets."""
        losses = -self.model.log_likelihood(self.rules, batch.inputs, batch.lengths, batch.targets)
        counted = batch.counted.to(losses.device, non_blocking=True)
        losses = torch.where(counted, losses, 0.0)
        return WindowLoss(losses.sum(), losses.detach(), 0, NoState())


class PlannerToBeat(nn.Module):
    """A planner, and an earlier one that its tours are compared with.

    Args:
        network: the planner that learns.
    """

    def __init__(self, network: PointerNetwork) -> None:
        super().__init__()
        self.network = network
        self.baseline = copy.deepcopy(network).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "PlannerToBeat":
        """The planner to beat never trains."""
        super().train(mode)
        self.baseline.eval()
        return self

    def replace_baseline(self) -> None:
        """From now on the planner is compared with what it is now."""
        self.baseline.load_state_dict(self.network.state_dict())


class RewardObjective(nn.Module):
    """REINFORCE: what makes a tour shorter than the planner to beat becomes likelier.

        gradient = mean over instances of (length of a drawn tour - b) grad log P(drawn tour)

    b is the length of the greedy tour of the planner to beat, on the same instance. At the first
    batch of every epoch the planner takes that one's place if its greedy tours on fresh instances
    are shorter, by more than chance would have it in 1 of 20 cases. In the first epoch of a planner
    that knows nothing yet, b is the mean of the batch's drawn tours through as many points.

    Args:
        model: the planner and the one to beat.
        rules: what may be pointed at.
        comparisons: gives the batches that the comparison before an epoch is made on.
        trained: the planner has learned before, so that it is worth beating from the beginning.

    Source: Williams 1992; Kool 2019, section 4, whose first epoch has a running mean for b.
    """

    def __init__(
        self,
        model: PlannerToBeat,
        rules: PointingRules,
        comparisons: Callable[[int], Sequence[PlanningBatch]],
        *,
        trained: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.rules = rules
        self.comparisons = comparisons
        self.trained = trained

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried from batch to batch."""
        return NoState()

    def forward(self, batch: PlanningBatch, carried: NoState | None) -> WindowLoss:
        """The mean length, whose gradient is that of REINFORCE."""
        if batch.index == 0 and batch.epoch > 0:
            self._choose_baseline(batch.epoch)
        network = self.model.network
        # Read once, with a gradient; what is drawn from it needs none.
        read = network.pointing.read(batch.inputs, batch.lengths)
        drawn = answers_of(network, self.rules, batch, Sampling(), read=detach(read))
        lengths = lengths_of(batch, drawn)
        if batch.epoch == 0 and not self.trained:
            to_beat = _mean_of_equal_sizes(lengths, batch.lengths)
        else:
            greedy = answers_of(self.model.baseline, self.rules, batch, Sampling(0.0))
            to_beat = lengths_of(batch, greedy)
        likelihood = network.log_likelihood(
            self.rules, batch.inputs, batch.lengths, drawn, read=read
        ).sum(1)
        surrogate = (lengths - to_beat) * likelihood
        # The value that is told and watched is the length; the gradient is the surrogate's.
        losses = lengths + surrogate - surrogate.detach()
        return WindowLoss(losses.sum(), losses.detach().unsqueeze(1), 0, NoState())

    def _choose_baseline(self, epoch: int) -> None:
        was_training = self.model.training
        self.model.eval()
        gains = torch.cat([self._gains(batch) for batch in self.comparisons(epoch)]).double()
        self.model.train(was_training)
        error = float(gains.std()) / math.sqrt(len(gains))
        if float(gains.mean()) > _BETTER_THAN_CHANCE * error:
            self.model.replace_baseline()

    def _gains(self, batch: PlanningBatch) -> Tensor:
        """How much shorter the planner's greedy tours are: (batch,)."""
        device = next(self.model.parameters()).device
        batch = move_batch(batch, device)
        ours, theirs = (
            lengths_of(batch, answers_of(network, self.rules, batch, Sampling(0.0)))
            for network in (self.model.network, self.model.baseline)
        )
        return theirs - ours


@torch.no_grad()
def answers_of(
    network: PointerNetwork,
    rules: PointingRules,
    batch: PlanningBatch,
    sampling: Sampling,
    generator: torch.Generator | None = None,
    *,
    read: Any = None,
) -> Tensor:
    """Pointers (batch, time) of one answer to each instance, padded with END.

    Args:
        network: the planner.
        rules: what may be pointed at.
        batch: on the planner's device.
        sampling: how to draw; with temperature 0 the likeliest pointer at every step.
        generator: where chance comes from. None: torch's own.
        read: the points as the planner read them before. None: they are read here.
    """
    step, state = network.next_step(rules, batch.inputs, batch.lengths, read=read)
    first = torch.full_like(batch.lengths, END)
    most = rules.longest(batch.inputs.shape[1])
    drawn = generate(step, state, first, sampling, length=most, end_index=END, generator=generator)
    pointers = torch.stack([pointers for pointers, _ in drawn], 1)
    if bool((pointers[:, -1] != END).any()):
        raise TrainingError("an answer did not end: the rules of the problem are at fault")
    return pointers[:, :-1]


def lengths_of(batch: PlanningBatch, tours: Tensor) -> Tensor:
    """Lengths (batch,) of closed tours, pointers (batch, time), as long as the points lie apart."""
    start = batch.inputs.gather(1, (tours[:, :1, None] - 1).expand(-1, -1, 2))
    index = (tours - 1).clamp(min=0).unsqueeze(2).expand(-1, -1, 2)
    # Past its end a tour stays where it began, which adds nothing.
    ordered = torch.where((tours == END).unsqueeze(2), start, batch.inputs.gather(1, index))
    steps = (ordered - ordered.roll(-1, 1)).square().sum(2).sqrt()
    return steps.sum(1) * batch.scales


def move_batch(batch: PlanningBatch, device: torch.device) -> PlanningBatch:
    """The batch with its tensors on `device`."""
    moved = {k: v.to(device) for k, v in batch._asdict().items() if isinstance(v, Tensor)}
    return batch._replace(**moved)


def _mean_of_equal_sizes(lengths: Tensor, sizes: Tensor) -> Tensor:
    """For each tour the mean length of those through as many points: (batch,)."""
    sums = lengths.new_zeros(int(sizes.max()) + 1).index_add(0, sizes, lengths)
    counts = lengths.new_zeros(len(sums)).index_add(0, sizes, torch.ones_like(lengths))
    return (sums / counts.clamp(min=1))[sizes]
