"""Training time and peak memory against the length of series and their number.

    python benchmarks/growth.py [--largest 10000] [--output .benchmarks/growth.png]

A classifier and a forecaster (a GRU of 32 units each) read a table once, from the file to the
trained weights: 100 series of 100 to 10,000 steps, then 100 to 10,000 series of 100 steps. Each
training is a process of its own, of which the processor's time and the peak of resident memory,
torch included, are told, beside those of a training that reads next to nothing. Time should grow in
proportion to the numbers read, and memory hardly.
"""

import argparse
import json
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from peers.records import RECORDS, commit, machine

SIZES = (100, 1_000, 10_000)
OTHER = 100
TASKS = ("classification", "forecasting")
TITLES = {"length": "steps of each of 100 series", "number": "series of 100 steps each"}


class Point(NamedTuple):
    """Seconds of the processor and megabytes at the peak of one training."""

    seconds: float
    megabytes: float


def write(path: Path, task: str, number: int, length: int) -> None:
    """A table: a series a row with its class, or a time step a row with its series."""
    chance = random.Random(0)
    values = [f"{chance.gauss(0, 1):.3f}" for _ in range(10_007)]
    with path.open("w") as file:
        if task == "classification":
            file.write(",".join([*map(str, range(length)), "label"]) + "\n")
            for row in range(number):
                start = chance.randrange(len(values))
                cells = (values[(start + step) % len(values)] for step in range(length))
                file.write(",".join([*cells, "ab"[row % 2]]) + "\n")
            return
        file.write("series,t,v\n")
        for row in range(number):
            start = chance.randrange(len(values))
            file.writelines(
                f"{row},{step},{values[(start + step) % len(values)]}\n" for step in range(length)
            )


def train(task: str, path: Path, run: Path) -> None:
    """One pass over a table."""
    shared: dict[str, Any] = {
        "data": path,
        "run": run,
        "cell": "gru",
        "hidden_size": 32,
        "batch_size": 16,
        "epochs": 1,
        "threads": 1,
        "device": "cpu",
    }
    if task == "classification":
        from ostinato.tasks.classification.task import train_classification

        train_classification(format="wide", bidirectional=False, read_out="mean", **shared)
    else:
        from ostinato.tasks.forecasting.task import train_forecasting

        columns: dict[str, Any] = {"time": "t", "series": "series", "target": ("v",)}
        train_forecasting(horizon=5, history=25, season=1, samples=10, **columns, **shared)


def measured_apart(work: Callable[[], None]) -> Point:
    """A work in a child of this process, which has imported everything already."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"a training ended with {os.waitstatus_to_exitcode(status)}")
    return Point(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def measure(task: str, number: int, length: int) -> Point:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        write(folder / "table.csv", task, number, length)
        return measured_apart(lambda: train(task, folder / "table.csv", folder / "run"))


def measured(path: Path, largest: int) -> dict[str, Point]:
    """All points, those in the file as they are there; the file is written after each."""
    text = path.read_text() if path.exists() else "{}"
    points = {key: Point(*point) for key, point in json.loads(text).items()}
    for task in TASKS:
        for axis in TITLES:
            for size in SIZES:
                key = f"{task}|{axis}|{size}"
                if key in points or size > largest:
                    continue
                shape = (OTHER, size) if axis == "length" else (size, OTHER)
                points[key] = measure(task, *shape)
                told = f"{points[key].seconds:7.1f} s {points[key].megabytes:6.0f} MB"
                print(f"{task:15} {axis:6} {size:6,} {told}", flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(points))
    return points


def draw(points: dict[str, Point], output: Path) -> None:
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
    for column, (axis, title) in enumerate(TITLES.items()):
        for row, measure in enumerate(Point._fields):
            panel = grid[row][column]
            for task in TASKS:
                prefix = f"{task}|{axis}|"
                found = {
                    int(k[len(prefix) :]): p for k, p in points.items() if k.startswith(prefix)
                }
                sizes = sorted(found)
                heights = [getattr(found[size], measure) for size in sizes]
                panel.loglog(sizes, heights, marker="o", label=task)
            panel.set_xlabel(title)
            panel.set_ylabel("seconds of the processor" if row == 0 else "MB at the peak")
            panel.set_ylim(bottom=0.5 if row == 0 else 50)
            panel.grid(color="#e8eaed")
    grid[0][0].legend(frameon=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = RECORDS.parent
    parser.add_argument("--output", type=Path, default=folder / "growth.png")
    parser.add_argument("--data", type=Path, default=folder / "growth.json")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="of lengths and numbers")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    # Else each child would look for all fonts anew, in a cache of its own.
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    import ostinato.tasks.classification.task
    import ostinato.tasks.forecasting.task  # noqa: F401  (for all children)

    points = measured(options.data, options.largest)
    draw(points, options.output)
    print(f"{options.output}: one thread, {machine()}, {commit()}")


if __name__ == "__main__":
    main()
