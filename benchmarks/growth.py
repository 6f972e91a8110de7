"""Training time and peak memory against the length of series and their number.

    python benchmarks/growth.py [--largest 10000] [--output .benchmarks/growth.png]

A classifier and a forecaster of series and a tagger of sentences (a GRU of 32 units each) read a
table, 100 series of 100 to 10,000 steps, then 100 to 10,000 series of 100 steps, and are trained on
it for 40 updates of 16 samples. Each training is a process of its own, forked from one that has
imported and compiled everything. What is told of it: the processor's seconds until training begins,
in which the table is read; those of an update, without the first ten; and the peak of resident
memory, torch included. Reading should take a time in
proportion to the numbers, an update of whole samples one in proportion to their length, an update
of a forecaster the same time always; and memory should not grow with the file.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from peers.records import RECORDS, commit, machine

import ostinato.tasks.classification.task
import ostinato.tasks.forecasting.task
import ostinato.tasks.tagging.task
from ostinato.training import Observer

SIZES = (100, 1_000, 10_000, 100_000)
OTHER = 100
UPDATES, SKIPPED = 40, 10
NEVER = 10**9
TASKS = ("classification", "forecasting", "tagging")
TITLES = {"length": "steps of each of 100 series", "number": "series of 100 steps each"}
PANELS = {
    "reading": ("seconds of reading", 0.01),
    "update": ("milliseconds of an update", 1),
    "megabytes": ("MB at the peak", 0),
}


class Point(NamedTuple):
    """Seconds of reading, milliseconds of an update, and megabytes at the peak of one training."""

    reading: float
    update: float
    megabytes: float


class Clock(Observer):
    """Hears when training begins and how far it is, and keeps the processor's seconds."""

    def __init__(self) -> None:
        self.began, self.begun_training = time.process_time(), 0.0
        self.seconds: dict[int, float] = {}

    def training_started(self, updates: int, done: int) -> None:
        self.begun_training = time.process_time()

    def updated(self, update: int, record: dict[str, Any]) -> None:
        self.seconds[update] = time.process_time()

    def told(self) -> tuple[float, float]:
        """Seconds of reading, and milliseconds of an update."""
        spent = self.seconds[UPDATES] - self.seconds[SKIPPED]
        return self.begun_training - self.began, 1000 * spent / (UPDATES - SKIPPED)


def write(path: Path, task: str, number: int, length: int) -> None:
    """A series a row with its class, a time step a row with its series, or a token a row."""
    chance = random.Random(0)
    values = [f"{chance.gauss(0, 1):.3f}" for _ in range(10_007)]

    def series() -> list[str]:
        start = chance.randrange(len(values))
        return [values[(start + step) % len(values)] for step in range(length)]

    with path.open("w") as file:
        if task == "classification":
            file.write(",".join([*map(str, range(length)), "label"]) + "\n")
            for row in range(number):
                file.write(",".join([*series(), "ab"[row % 2]]) + "\n")
        elif task == "forecasting":
            file.write("series,t,v\n")
            for row in range(number):
                file.writelines(f"{row},{step},{value}\n" for step, value in enumerate(series()))
        else:
            for _ in range(number):
                file.writelines(f"{value}\t{value[-1]}\n" for value in series())
                file.write("\n")


def train(task: str, path: Path, run: Path) -> Clock:
    """So many updates on a table, with a validation and a checkpoint at their end alone."""
    clock = Clock()
    shared: dict[str, Any] = {
        "data": path,
        "run": run,
        "cell": "gru",
        "hidden_size": 32,
        "batch_size": 16,
        "updates": UPDATES,
        "validate_every": NEVER,
        "checkpoint_every": NEVER,
        "threads": 1,
        "device": "cpu",
        "observer": clock,
    }
    if task == "classification":
        ostinato.tasks.classification.task.train_classification(
            format="wide", bidirectional=False, read_out="mean", batch_steps=NEVER, **shared
        )
    elif task == "forecasting":
        columns: dict[str, Any] = {"time": "t", "series": "series", "target": ("v",)}
        ostinato.tasks.forecasting.task.train_forecasting(
            horizon=5, history=25, season=1, samples=10, **columns, **shared
        )
    else:
        ostinato.tasks.tagging.task.train_tagging(
            characters="ignored", batch_tokens=NEVER, **shared
        )
    return clock


def measured_apart(work: Callable[[], Clock], told: Path) -> Point:
    """A work in a child of this process, which has imported and compiled everything already."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            told.write_text(json.dumps(work().told()))
            status = 0
        finally:
            os._exit(status)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"a training ended with {os.waitstatus_to_exitcode(status)}")
    return Point(*json.loads(told.read_text()), usage.ru_maxrss / 1000)


def in_folder(task: str, number: int, length: int, work: Callable[..., Any]) -> Any:
    """What a work gives, called with the task, a table and the folder of a run."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path = folder / ("table.tsv" if task == "tagging" else "table.csv")
        write(path, task, number, length)
        return work(task, path, folder / "run")


def measure(task: str, path: Path, run: Path) -> Point:
    return measured_apart(lambda: train(task, path, run), path.with_name("told.json"))


def measured(path: Path, tasks: list[str], largest: int) -> dict[str, Point]:
    """All points, those in the file as they are there; the file is written after each."""
    text = path.read_text() if path.exists() else "{}"
    points = {key: Point(*point) for key, point in json.loads(text).items()}
    print(f"{'':15} {'':6} {'':>7} {'reading':>9} {'update':>11} {'peak':>7}")
    for task in tasks:
        _ = in_folder(task, OTHER, OTHER, train)
        for axis in TITLES:
            for size in (one for one in SIZES if one <= largest):
                key = f"{task}|{axis}|{size}"
                if key not in points:
                    shape = (OTHER, size) if axis == "length" else (size, OTHER)
                    points[key] = in_folder(task, *shape, measure)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps(points))
                reading, update, peak = points[key]
                told = f"{reading:7.2f} s {update:8.1f} ms {peak:4.0f} MB"
                print(f"{task:15} {axis:6} {size:7,} {told}", flush=True)
    return points


def draw(points: dict[str, Point], output: Path) -> None:
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(3, 2, figsize=(8, 9), layout="constrained", sharex=True)
    for column, (axis, title) in enumerate(TITLES.items()):
        for row, (measure, (name, least)) in enumerate(PANELS.items()):
            panel = grid[row][column]
            for task in TASKS:
                prefix = f"{task}|{axis}|"
                found = {
                    int(k[len(prefix) :]): p for k, p in points.items() if k.startswith(prefix)
                }
                sizes = sorted(found)
                heights = [getattr(found[size], measure) for size in sizes]
                panel.loglog(sizes, heights, marker="o", label=task)
            panel.set_ylabel(name if column == 0 else "")
            if measure == "megabytes":
                panel.set_yscale("linear")
            panel.set_ylim(bottom=least)
            panel.grid(color="#e8eaed")
        grid[-1][column].set_xlabel(title)
    for panel in grid[:2].flat:
        (low, _), (first, last) = panel.get_ylim(), panel.get_xlim()
        steps = [first, last]
        heights = [low, low * last / first]
        panel.plot(steps, heights, color="#9aa0a6", linestyle=":", label="in proportion")
        panel.set_xlim(first, last)
    # A panel's two columns have the same scale, so that they can be compared.
    for left, right in grid:
        top = max(left.get_ylim()[1], right.get_ylim()[1])
        left.set_ylim(top=top)
        right.set_ylim(top=top)
    grid[0][0].legend(frameon=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = RECORDS.parent
    parser.add_argument("--output", type=Path, default=folder / "growth.png")
    parser.add_argument("--data", type=Path, default=folder / "growth.json")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--largest", type=int, default=10_000, help="of lengths and numbers")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    # Else each child would look for all fonts anew, in a cache of its own.
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    points = measured(options.data, options.tasks, options.largest)
    draw(points, options.output)
    print(f"{options.output}: one thread, {machine()}, {commit()}")


if __name__ == "__main__":
    main()
