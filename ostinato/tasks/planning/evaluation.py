"""How well a planner plans, on instances whose best answers are known."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ostinato.data.planning.batches import make_batch
from ostinato.data.planning.instance_file import Instance
from ostinato.data.planning.judging import compare_tours, judge
from ostinato.data.planning.problems import (
    Answer,
    Points,
    Problem,
    from_pointers,
    normal_form,
)
from ostinato.decoding import Sampling
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import PointingRules, rules_for
from ostinato.tasks.planning.objectives import (
    LabelObjective,
    PlannerToBeat,
    answers_of,
    lengths_of,
    move_batch,
)

_PAIRS_TOGETHER = 50_000
"""Instances times points times points of a batch: every step compares with every point."""
GREEDY = Sampling(temperature=0.0)


@torch.no_grad()
def predict(
    network: PointerNetwork,
    problem: Problem,
    points: Sequence[Points],
    *,
    rules: PointingRules | None = None,
    samples: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """An answer to each instance, in normal form.

    Args:
        network: the planner.
        problem: that it was trained on.
        points: (points, coordinates) of each instance, at any place and of any scale.
        rules: what may be pointed at. None: what makes a valid answer.
        samples: draw so many answers and keep the best: the shortest tour, else the likeliest
            answer. None: greedy, always the likeliest pointer.
        seed: where chance comes from.
        progress: called with the points done and those in all. None: nobody listens.
    """
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    rules = rules or rules_for(problem.name)
    found: list[Answer] = [np.empty(0, dtype=np.int64)] * len(points)
    done, total = 0, sum(map(len, points))
    for places in _groups(points):
        group = [points[place] for place in places]
        batch = move_batch(make_batch(problem, group), device)
        if samples is None:
            pointers = answers_of(network, rules, batch, GREEDY)
        else:
            pointers = _best_of(network, problem, rules, batch, samples, seed)
        for place, row in zip(places, pointers.cpu().numpy(), strict=True):
            answer = from_pointers(problem, row)
            found[place] = normal_form(problem, points[place], answer)
        done += sum(map(len, group))
        if progress is not None:
            progress(done, total)
    network.train(was_training)
    return found


def evaluate(
    network: PointerNetwork,
    problem: Problem,
    instances: Sequence[Instance],
    **how: Any,
) -> dict[str, float]:
    """The planner's figures; see `judge`, and `predict` for `how` it plans.

    Tours also get the mean lengths of the best known ones and of two simple rules.
    """
    points = [instance.points for instance in instances]
    best = [instance.answer for instance in instances if instance.answer is not None]
    figures = judge(problem, points, predict(network, problem, points, **how), best)
    return figures | (compare_tours(points, best) if problem.name == "tsp" else {})


def validation(
    problem: Problem, instances: Sequence[Instance], *, with_labels: bool
) -> Callable[[nn.Module], dict[str, Any]]:
    """What the trainer calls to validate.

    Args:
        problem: that the planner learns.
        instances: with the answers to compare with.
        with_labels: `nats_per_unit`, which the best checkpoint has least of, is the cross-entropy
            of a pointer; else the mean length of greedy tours.
    """
    points = [instance.points for instance in instances]
    best = [instance.answer for instance in instances if instance.answer is not None]

    def validate(model: nn.Module) -> dict[str, Any]:
        network = network_of(model)
        figures = judge(problem, points, predict(network, problem, points), best)
        loss = figures.get("length", 0.0)
        if with_labels:
            loss = _cross_entropy(network, problem, points, best)
        return {"nats_per_unit": loss, **figures}

    return validate


def network_of(model: nn.Module) -> PointerNetwork:
    """The planner itself, with or without one to beat."""
    network = model.network if isinstance(model, PlannerToBeat) else model
    assert isinstance(network, PointerNetwork)
    return network


def _cross_entropy(
    network: PointerNetwork, problem: Problem, points: Sequence[Points], answers: Sequence[Answer]
) -> float:
    """Nats a pointer of the answers, as in training."""
    objective = LabelObjective(network, rules_for(problem.name, convex=False))
    device = next(network.parameters()).device
    nats, units = 0.0, 0
    for places in _groups(points):
        chosen = [points[place] for place in places], [answers[place] for place in places]
        batch = make_batch(problem, *chosen)
        nats += float(objective(move_batch(batch, device), None).total)
        units += batch.units
    return nats / units


def _best_of(
    network: PointerNetwork,
    problem: Problem,
    rules: PointingRules,
    batch: Any,
    samples: int,
    seed: int,
) -> torch.Tensor:
    """The best of several drawn answers to each instance."""
    generator = torch.Generator(batch.inputs.device).manual_seed(seed)
    width = rules.longest(batch.inputs.shape[1])
    kept, least = None, None
    for _ in range(samples):
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


def _groups(points: Sequence[Points]) -> list[list[int]]:
    """Which instances go together: of like size, so that little is padding."""
    order = sorted(range(len(points)), key=lambda place: len(points[place]))
    groups: list[list[int]] = []
    for place in order:
        pairs = len(points[place]) ** 2
        if not groups or (len(groups[-1]) + 1) * pairs > _PAIRS_TOGETHER:
            groups.append([])
        groups[-1].append(place)
    return groups
