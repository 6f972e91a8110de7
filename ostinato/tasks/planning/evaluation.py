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
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import rules_to_learn
from ostinato.tasks.planning.answering import Answering, find_answers
from ostinato.tasks.planning.objectives import LabelObjective, PlannerToBeat, move_batch

_PAIRS_TOGETHER = 50_000
"""Instances times points times points of a batch: every step compares with every point."""


@torch.no_grad()
def predict(
    network: PointerNetwork,
    problem: Problem,
    points: Sequence[Points],
    *,
    answering: Answering | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """An answer to each instance, in normal form.

    Args:
        network: the planner.
        problem: that it was trained on.
        points: (points, coordinates) of each instance, at any place and of any scale.
        answering: how it finds its answers. None: greedily.
        progress: called with the points done and those in all. None: nobody listens.
    """
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    answering = answering or Answering()
    found: list[Answer] = [np.empty(0, dtype=np.int64)] * len(points)
    done, total = 0, sum(map(len, points))
    for places in _groups(points, answering.beam_size or 1):
        group = [points[place] for place in places]
        batch = move_batch(make_batch(problem, group), device)
        pointers = find_answers(network, problem, batch, answering)
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
    *,
    answering: Answering | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """The planner's figures; see `judge`, and `predict` for the arguments.

    Tours also get the mean lengths of the best known ones and of two simple rules.
    """
    points = [instance.points for instance in instances]
    best = [instance.answer for instance in instances if instance.answer is not None]
    answers = predict(network, problem, points, answering=answering, progress=progress)
    figures = judge(problem, points, answers, best)
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
    objective = LabelObjective(network, rules_to_learn(problem.name))
    device = next(network.parameters()).device
    nats, units = 0.0, 0
    for places in _groups(points):
        chosen = [points[place] for place in places], [answers[place] for place in places]
        batch = make_batch(problem, *chosen)
        nats += float(objective(move_batch(batch, device), None).total)
        units += batch.units
    return nats / units


def _groups(points: Sequence[Points], beam_size: int = 1) -> list[list[int]]:
    """Which instances go together: of like size, so that little is padding."""
    order = sorted(range(len(points)), key=lambda place: len(points[place]))
    groups: list[list[int]] = []
    for place in order:
        pairs = beam_size * len(points[place]) ** 2
        if not groups or (len(groups[-1]) + 1) * pairs > _PAIRS_TOGETHER:
            groups.append([])
        groups[-1].append(place)
    return groups
