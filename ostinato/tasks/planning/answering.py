"""How a planner finds its answer: greedily, the best of several drawn ones, or by a beam."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.data.planning.batches import PlanningBatch
from ostinato.data.planning.problems import Problem
from ostinato.decoding import Beam, Sampling, beam_search
from ostinato.errors import SettingsError
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import END, PointingRules, rules_for
from ostinato.tasks.planning.objectives import answers_of, lengths_of

_GREEDY = Sampling(temperature=0.0)


@dataclass(frozen=True)
class Answering:
    """How to find answers; without `samples` and `beam_size` greedily, the likeliest pointer.

    Args:
        samples: draw so many answers and keep the best: the shortest tour, else the likeliest
            answer. None: none are drawn.
        beam_size: keep so many unfinished answers at each step and give the likeliest of those
            that end; 1 is greedy. None: no beam.
        seed: where chance comes from.
        convex: of hulls, only convex polygons are answers. False: any distinct points. Triangles
            do not overlap either way, up to `MOST_KEPT_APART` points.

    Raises:
        SettingsError: a value out of range, or both ways at once.
    """

    samples: int | None = None
    beam_size: int | None = None
    seed: int = 0
    convex: bool = True

    def __post_init__(self) -> None:
        if self.samples is not None and self.beam_size is not None:
            raise SettingsError("give samples or beam_size, not both: two ways to find one answer")
        for name in ("samples", "beam_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name} must be at least 1, got {value}")


@torch.no_grad()
def find_answers(
    network: PointerNetwork, problem: Problem, batch: PlanningBatch, answering: Answering
) -> Tensor:
    """Pointers (batch, time) of an answer to each instance, padded with END.

    Args:
        network: the planner.
        problem: that it was trained on.
        batch: on the planner's device.
        answering: how.
    """
    rules = rules_for(problem.name, convex=answering.convex, points=batch.inputs.shape[1])
    if answering.samples is not None:
        return _best_of_drawn(network, problem, rules, batch, answering)
    if answering.beam_size is not None:
        return _likeliest(network, rules, batch, answering.beam_size)
    return answers_of(network, rules, batch, _GREEDY)


def _likeliest(
    network: PointerNetwork, rules: PointingRules, batch: PlanningBatch, beam_size: int
) -> Tensor:
    """The likeliest valid answer that a beam finds; invalid ones have no probability."""
    next_step_for, state = network.next_step_for(rules, batch.inputs, batch.lengths)
    longest = [rules.longest(length) - 1 for length in batch.lengths.tolist()]
    found = beam_search(
        next_step_for,
        state,
        torch.full_like(batch.lengths, END),
        Beam(beam_size),
        maximum_length=batch.lengths.new_tensor(longest),
        end_index=END,
    )
    answers = [batch.lengths.new_tensor(best.tokens) for best, *_ in found]
    return torch.nn.utils.rnn.pad_sequence(answers, batch_first=True, padding_value=END)


def _best_of_drawn(
    network: PointerNetwork,
    problem: Problem,
    rules: PointingRules,
    batch: PlanningBatch,
    answering: Answering,
) -> Tensor:
    """The best of several drawn answers to each instance."""
    generator = torch.Generator(batch.inputs.device).manual_seed(answering.seed)
    width = rules.longest(batch.inputs.shape[1])
    kept, least = None, None
    for _ in range(answering.samples or 1):
        drawn = answers_of(network, rules, batch, Sampling(), generator)
        if problem.name == "tsp":
            cost = lengths_of(batch, drawn)
        else:
            cost = -network.log_likelihood(rules, batch.inputs, batch.lengths, drawn).sum(1)
        drawn = torch.nn.functional.pad(drawn, (0, width - drawn.shape[1]))
        if kept is None or least is None:
            kept, least = drawn, cost
        better = cost < least
        kept = torch.where(better.unsqueeze(1), drawn, kept)
        least = torch.minimum(cost, least)
    assert kept is not None
    return kept
