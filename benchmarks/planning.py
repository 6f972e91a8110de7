"""Planners of tours beside RL4CO and beside the same networks in plain torch.

The pointer network (Vinyals 2015) and the attention model (Kool 2019), of equal sizes on both
sides: an update by given tours, one by REINFORCE whose baseline is the batch's mean, and tours
found greedily and by a beam. In plain torch both sides have the same weights, and give the same
likelihoods and the same greedy tours before the clock starts.

RL4CO's networks have weights of their own. Its pointer network has one glimpse and clips its
scores (Bello 2016), and so has ours beside it; it reads points as features of the hidden size where
ours reads the two coordinates. Its attention model normalises over the batch.

    scripts/peer-environment rl4co
    python benchmarks/planning.py [--batch-size 128] [--hidden-size 128] [--seconds 5] [--only TEXT]
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from peers.comparison import Case, check_agreement, compare_all, parser_of, settings_of
from peers.elsewhere import Elsewhere
from peers.planners import TorchPlanner, lengths_of, torch_planner
from torch import Tensor, nn

import ostinato
from ostinato.data.planning.batches import PlanningBatch, make_batch
from ostinato.data.planning.problems import PROBLEMS
from ostinato.decoding import Sampling
from ostinato.models import rules_for
from ostinato.tasks.planning.answering import Answering, find_answers
from ostinato.tasks.planning.objectives import (
    LabelObjective,
    PlannerToBeat,
    RewardObjective,
    answers_of,
)
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.planning.task import build

NAMES = {"recurrent": "pointer network", "attention": "attention model"}
WORKS = ("labels", "rewards", "greedy", "beam of 5")
POINTS = (20, 50)

Work = Callable[[], Any]


def instances(batch_size: int, points: int) -> PlanningBatch:
    """Points in the unit square, and a tour through each."""
    random = np.random.default_rng(0)
    rest = [random.permutation(points - 1) + 1 for _ in range(batch_size)]
    tours = [np.concatenate([[0], order]) for order in rest]
    return make_batch(PROBLEMS["tsp"], list(random.random((batch_size, points, 2))), tours)


def updates_of(module: nn.Module, loss: Callable[[], Tensor]) -> Work:
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-4)

    def update() -> None:
        loss().backward()
        optimiser.step()
        optimiser.zero_grad()

    return update


def our_work(work: str, network: ostinato.PointerNetwork, batch: PlanningBatch) -> Work:
    rules = rules_for("tsp")
    if work == "labels":
        objective = LabelObjective(network, rules)
        return updates_of(network, lambda: objective(batch, None).total / len(batch.inputs))
    if work == "rewards":
        rewarded = RewardObjective(PlannerToBeat(network), rules, lambda epoch: [])
        return updates_of(network, lambda: rewarded(batch, None).total / len(batch.inputs))
    if work == "greedy":
        return lambda: answers_of(network, rules, batch, Sampling(0.0))
    return lambda: find_answers(network, PROBLEMS["tsp"], batch, Answering(beam_size=5))


def torch_work(work: str, planner: TorchPlanner, batch: PlanningBatch) -> Work:
    points, tours = batch.inputs, batch.targets - 1
    if work == "labels":
        likelihood = planner.log_likelihood
        return updates_of(planner, lambda: -likelihood(points, tours).sum(1).mean())

    def reinforced() -> Tensor:
        drawn, log_probabilities = planner.draw(points, greedy=False)
        lengths = lengths_of(points, drawn)
        return ((lengths - lengths.mean()) * log_probabilities).mean()

    if work == "rewards":
        return updates_of(planner, reinforced)
    return torch.no_grad()(partial(planner.draw, points, greedy=True))


def check_same(
    network: ostinato.PointerNetwork, planner: TorchPlanner, batch: PlanningBatch
) -> None:
    """Raise AssertionError unless both give the given tours the same likelihoods, and the same
    greedy tours wherever two points are not as good as equal.
    """
    rules = rules_for("tsp")
    ours = network.log_likelihood(rules, batch.inputs, batch.lengths, batch.targets)
    theirs = planner.log_likelihood(batch.inputs, batch.targets - 1)
    check_agreement(ours.detach(), theirs.detach(), 1e-3)
    found = answers_of(network, rules, batch, Sampling(0.0)) - 1
    drawn, _ = planner.draw(batch.inputs, greedy=True)
    same = (found == drawn).all(1).float().mean()
    assert float(same) > 0.95, f"only {float(same):.0%} of the greedy tours are the same"


def planner_of(model: str, size: int, *, bello: bool = False) -> ostinato.PointerNetwork:
    extra = {"glimpses": 1, "clip_scores": 10.0} if bello and model == "recurrent" else {}
    settings = PlanningSettings(problem="tsp", model=model, hidden_size=size, **extra)  # pyright: ignore[reportArgumentType]
    return build(settings)


def beside_torch(model: str, work: str, size: int, batch: PlanningBatch) -> Case:
    network = planner_of(model, size)
    planner = torch_planner(network)
    check_same(network, planner, batch)
    return Case(
        name_of(model, work, batch),
        "plain torch",
        our_work(work, network, batch),
        torch_work(work, planner, batch),
        tolerance=None,
    )


def beside_rl4co(model: str, work: str, size: int, batch: PlanningBatch, *, threads: int) -> Case:
    options = {"model": model, "work": work, "size": size, "threads": threads}
    arrays = {"points": batch.inputs, "tours": batch.targets - 1}
    network = planner_of(model, size, bello=True)
    name = name_of(model, work, batch)
    return Case(
        f"{name}, glimpse" if model == "recurrent" else name,
        "RL4CO",
        our_work(work, network, batch),
        Elsewhere("rl4co", options, arrays, threads),
        tolerance=None,
    )


def name_of(model: str, work: str, batch: PlanningBatch) -> str:
    return f"{NAMES[model]}, {work}, {batch.inputs.shape[1]} points"


def cases(size: int, batch_size: int, threads: int) -> Iterator[Callable[[], Case]]:
    for points, model, work in product(POINTS, NAMES, WORKS):
        batch = instances(batch_size, points)
        if work != "beam of 5":
            yield partial(beside_torch, model, work, size, batch)
        if (model, work) != ("recurrent", "beam of 5"):  # RL4CO has no beam for it.
            yield partial(beside_rl4co, model, work, size, batch, threads=threads)


def main() -> None:
    parser = parser_of(__doc__, seconds=5.0)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--hidden-size", type=int, default=128)
    options = parser.parse_args()
    settings = settings_of(options)
    makers = cases(options.hidden_size, options.batch_size, settings.threads)
    for record in compare_all(makers, settings, "planning"):
        rates = [options.batch_size / t for t in (record.our_seconds, record.peer_seconds)]
        print(
            f"{record.case}: ours {rates[0]:,.0f} instances a second, {record.peer} {rates[1]:,.0f}"
        )


if __name__ == "__main__":
    main()
