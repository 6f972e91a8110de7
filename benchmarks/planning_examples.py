"""Do examples made while training keep up with it? One process that makes them, beside the updates.

Alternates making a batch and training on one, in one process, and prints examples a second of each;
training is not starved where making is the faster, or where `--workers` processes together are.

    python benchmarks/planning_examples.py [--seconds 5]
"""

import argparse
from functools import partial
from itertools import count

import torch
from peers.turns import rounds_of

from ostinato.models.pointing_rules import rules_to_learn
from ostinato.tasks.planning.objectives import LabelObjective
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.planning.task import build, prepare

CASES = (
    ("sort", "10"),
    ("convex-hull", "5"),
    ("convex-hull", "5-50"),
    ("delaunay", "5"),
    ("tsp", "10"),
    ("tsp", "13"),
    ("tsp", "20"),
)


def measure(problem: str, points: str, hidden_size: int, seconds: float) -> tuple[float, float]:
    """Examples a second: made by one process, and trained on."""
    settings = PlanningSettings(problem=problem, points=points, hidden_size=hidden_size)
    torch.manual_seed(0)
    objective = LabelObjective(build(settings), rules_to_learn(problem))
    optimiser = torch.optim.AdamW(objective.parameters())
    epoch, numbers = prepare(settings).epoch(0), count()
    batch = epoch[next(numbers)]

    def update() -> None:
        (objective(batch, None).total / batch.units).backward()
        optimiser.step()
        optimiser.zero_grad()

    rounds = rounds_of([lambda: epoch[next(numbers)], update], seconds, fewest=3)
    making, training = (min(times) for times in zip(*rounds, strict=True))
    return settings.batch_size / making, settings.batch_size / training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    case = partial(measure, hidden_size=options.hidden_size, seconds=options.seconds)
    print(f"examples/s, {options.hidden_size} units, {options.threads} thread(s), fastest of each")
    for problem, points in CASES:
        made, trained = case(problem, points)
        print(
            f"{problem:12} {points:>5} points: made {made:9,.0f}, trained on {trained:9,.0f}, "
            f"made / trained {made / trained:5.1f}"
        )


if __name__ == "__main__":
    main()
