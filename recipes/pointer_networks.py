"""Pointer networks on the problems of Vinyals 2015, and tours by rewards as in Kool 2019.

Trains one of the recipes below, then judges it on 1,000 fixed instances; `hull-5` also on the
10,000 instances of Vinyals' own test set, which lie in $OSTINATO_DATA. There the planner answers
twice: with any distinct points, as theirs did, and with convex polygons only, as `ostinato plan`.
Planners of tours also answer to instances of TSPLIB, larger than any they were trained on.

    python recipes/pointer_networks.py hull-5
    python recipes/pointer_networks.py tsp-20-rewards      (resumable: ostinato resume RUN)

Published: accuracy and area of hulls 92.0% and 99.6% (n=5), 72.6% and 99.9% (n=50); accuracy and
coverage of Delaunay triangulations 80.7% and 93.0% (n=5); mean length of tours 2.88 (n=10) and 3.88
(n=20) in Vinyals 2015, by beam search; 3.85 (n=20) by rewards, greedy, in Kool 2019. Tours of 5
points and sorted numbers are there for a start, without a number to compare with.

Ours: see recipes/README.md.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

from commands import as_options, call_ostinato

HULLS = "planning/convex_hull_5/convex_hull_5_test.txt"
TSPLIB = "planning/tsplib"
LARGE_TOURS = ("eil51", "berlin52", "st70", "kroA100")
OTHER_SIZES = {"hull-5-50": ("10", "50")}
LABELS = {"schedule": "cosine", "warm-up": 300, "batch-size": 128, "learning-rate": 2e-3}
TOURS = {"problem": "tsp", "model": "attention", "hidden-size": 64, "blocks": 2, "heads": 4}
TOURS |= {"batch-size": 64, "learning-rate": 2e-3, "schedule": "cosine", "warm-up": 100}
TOURS |= {"workers": 0, "validate-every": 1000}
TRANSFORMER = LABELS | {"model": "transformer", "hidden-size": 64, "blocks": 2, "heads": 4}
TRANSFORMER |= {"workers": 0, "validate-every": 1000}
RECIPES = {
    "hull-5": LABELS
    | {"problem": "convex-hull", "points": "5", "hidden-size": 128, "updates": 12_000}
    | {"workers": 0, "validate-every": 1500},
    "hull-10": LABELS
    | {"problem": "convex-hull", "points": "10", "hidden-size": 128, "updates": 12_000}
    | {"workers": 0, "validate-every": 1500},
    "hull-5-50": TRANSFORMER
    | {"problem": "convex-hull", "points": "5-50", "batch-size": 64, "updates": 6_000},
    "delaunay-5": TRANSFORMER | {"problem": "delaunay", "points": "5", "updates": 6_000},
    "delaunay-5-lstm": LABELS
    | {"problem": "delaunay", "points": "5", "hidden-size": 128, "updates": 15_000}
    | {"workers": 0, "validate-every": 3000},
    "tsp-5": TOURS | {"points": "5", "updates": 2_000},
    "tsp-10": TOURS | {"points": "10", "updates": 4_000},
    "sort-20-40": {"problem": "sort", "points": "20-40", "model": "attention", "hidden-size": 32}
    | {"blocks": 1, "heads": 4, "clip-scores": 50, "batch-size": 32, "updates": 800, "workers": 0}
    | {"learning-rate": 4e-3, "schedule": "cosine", "warm-up": 50, "validate-every": 200},
    "tsp-10-rewards": TOURS
    | {"points": "10", "train-with": "rewards", "batch-size": 128, "learning-rate": 1e-3}
    | {"epoch-size": 64_000, "updates": 4_000},
    "tsp-20": TRANSFORMER
    | {"problem": "tsp", "points": "20", "batch-size": 64, "warm-up": 100, "updates": 10_000},
    "tsp-20-rewards": {"problem": "tsp", "points": "20", "train-with": "rewards"}
    | {"model": "attention", "hidden-size": 128, "blocks": 3, "heads": 8, "batch-size": 512}
    | {"epoch-size": 1_280_000, "epochs": 100, "learning-rate": 1e-4, "workers": 2},
}


def judge(run: str, name: str) -> dict[str, dict[str, float]]:
    """The run's figures, on every set of instances there is for it."""
    import ostinato

    planner = ostinato.load_planner(run)
    figures = {"fixed instances": planner.evaluate()}
    figures["fixed instances, a beam of 5"] = planner.evaluate(beam_size=5)
    for points in OTHER_SIZES.get(name, ()):
        figures[f"fixed instances of {points} points"] = planner.evaluate(points=points)
    data = Path(os.environ.get("OSTINATO_DATA", ""))
    if name.startswith("tsp") and (data / TSPLIB).is_dir():
        for instance in LARGE_TOURS:
            file = data / TSPLIB / f"{instance}.tsp"
            figures[instance] = planner.evaluate_tsplib(file, beam_size=5)
    hulls = data / HULLS
    if name == "hull-5" and hulls.is_file():
        figures["published test set, any points"] = planner.evaluate(hulls, convex=False)
        figures["published test set, convex only"] = planner.evaluate(hulls)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", help="folder of the run; runs/NAME without it")
    options = parser.parse_args()
    run = options.run or f"runs/{options.recipe}"
    settings = RECIPES[options.recipe] | {"seed": options.seed, "threads": options.threads}
    started = time.time()
    call_ostinato("train", "planning", "--run", run, *as_options(settings))
    took = {"training_seconds": round(time.time() - started, 1)}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took["processor_seconds"] = round(used.ru_utime + used.ru_stime, 1)
    print(json.dumps({"figures": judge(run, options.recipe)} | took))


if __name__ == "__main__":
    main()
