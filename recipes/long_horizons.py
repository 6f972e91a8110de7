"""ETTh1, ETTh2 and Weather, 96 to 720 steps ahead from the last 96, beside what is published.

    python recipes/long_horizons.py                                   # all twelve
    python recipes/long_horizons.py --sets ETTh1 --horizons 96        # one of them

The protocol of the literature since Informer: ETT 12, 4 and 4 months of 30 days, Weather 7:1:2;
every row is a step; errors of values standardised on the training part, over every window of the
test part, the last batch too. A result that is there already under --runs is not computed again,
and a training that was stopped goes on, so that the table can be filled in several goes.

SETTINGS were chosen on the validation part of ETTh1 at 96 steps; recipes/README.md says how.

Published: the table of SegRNN's repository (lss-1138/SegRNN, README, lookback 96, trained by the
squared error), which takes iTransformer and DLinear from Liu 2024 (iTransformer).
"""

import argparse
import csv
import json
import os
import resource
import sys
from pathlib import Path

from commands import as_options, call_ostinato, figures_of

FOLDER = "forecasting"
HISTORY = 96
HORIZONS = (96, 192, 336, 720)
MODELS = ("SegRNN", "iTransformer", "DLinear")
PUBLISHED = {
    ("ETTh1", 96): ((0.368, 0.395), (0.386, 0.405), (0.386, 0.400)),
    ("ETTh1", 192): ((0.408, 0.419), (0.441, 0.436), (0.437, 0.432)),
    ("ETTh1", 336): ((0.444, 0.440), (0.487, 0.458), (0.481, 0.459)),
    ("ETTh1", 720): ((0.446, 0.457), (0.503, 0.491), (0.519, 0.516)),
    ("ETTh2", 96): ((0.278, 0.335), (0.297, 0.349), (0.333, 0.387)),
    ("ETTh2", 192): ((0.359, 0.389), (0.380, 0.400), (0.477, 0.476)),
    ("ETTh2", 336): ((0.421, 0.436), (0.428, 0.432), (0.594, 0.541)),
    ("ETTh2", 720): ((0.432, 0.455), (0.427, 0.445), (0.831, 0.657)),
    ("Weather", 96): ((0.165, 0.227), (0.174, 0.214), (0.196, 0.255)),
    ("Weather", 192): ((0.211, 0.273), (0.221, 0.254), (0.237, 0.296)),
    ("Weather", 336): ((0.270, 0.318), (0.278, 0.296), (0.283, 0.335)),
    ("Weather", 720): ((0.357, 0.376), (0.358, 0.349), (0.345, 0.381)),
}
MONTH = 30 * 24
SETS = {
    "ETTh1": {"file": "ett/ETTh1.csv", "season": 24, "split": (12 * MONTH, 4 * MONTH, 4 * MONTH)},
    "ETTh2": {"file": "ett/ETTh2.csv", "season": 24, "split": (12 * MONTH, 4 * MONTH, 4 * MONTH)},
    "Weather": {"file": "weather/weather.csv", "season": 144, "split": None},
}
SETTINGS = {
    "model": "segments",
    "cell": "gru",
    "segment": 24,
    "history": HISTORY,
    "dropout": 0.5,
    "loss": "absolute",
    "learning-rate": 3e-3,
    "schedule": "cosine",
    "final-rate": 0.05,
    "device": "cpu",
}
OF_A_SET = {
    "ETTh1": {"hidden-size": 256, "batch-size": 32, "epochs": 2},
    "ETTh2": {"hidden-size": 256, "batch-size": 32, "epochs": 1},
    "Weather": {"hidden-size": 128, "batch-size": 16, "epochs": 1.5},
}


def find_file(name: str) -> Path:
    """A file under $OSTINATO_DATA; ends with a reason where it is not there."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {FOLDER}/{name}")
    file = Path(folder) / FOLDER / name
    if not file.is_file():
        sys.exit(f"skipped: there is no {file}")
    return file


def split_of(name: str, rows: int) -> tuple[int, int, int]:
    """Rows of training, validation and test."""
    split = SETS[name]["split"]
    if split is not None:
        return split
    training, test = int(rows * 0.7), int(rows * 0.2)
    return training, rows - training - test, test


def without_dates(name: str, folder: Path) -> tuple[Path, int]:
    """A copy of the numbers alone, so that every row is a step, and how many there are."""
    numbers, beside = folder / f"{name}.csv", folder / f"{name}.csv.part"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(find_file(SETS[name]["file"]), newline="", encoding="latin-1") as source,
        open(beside, "w", newline="", encoding="utf-8") as copy,
    ):
        writer = csv.writer(copy, lineterminator="\n")
        rows = -1
        for row in csv.reader(source):
            writer.writerow(row[1:])
            rows += 1
    beside.replace(numbers)
    return numbers, rows


def compute(name: str, horizon: int, runs: Path, changes: dict[str, object]) -> dict:
    """Train and judge, or read what was found before."""
    run = runs / f"{name}-{horizon}"
    result = runs / f"{name}-{horizon}.json"
    if result.is_file():
        return json.loads(result.read_text())
    table, rows = without_dates(name, runs)
    split = split_of(name, rows)
    own = {
        "data": table,
        "season": SETS[name]["season"],
        "horizon": horizon,
        "run": run,
    }
    chosen = SETTINGS | OF_A_SET[name] | own | changes
    options = [*as_options(chosen), "--split", *split]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = run.is_dir()
    train = ["resume", str(run)] if begun else ["train", "forecasting", *options]
    call_ostinato(*train, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = figures_of("backtest", run, "--every-window", "--device", "cpu")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures["training_processor_s"] = None if begun else round(spent, 1)
    result.write_text(json.dumps(figures))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--horizons", nargs="+", type=int, choices=HORIZONS, default=HORIZONS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden-size", type=int)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--runs", type=Path, default=Path("runs/long-horizons"))
    options = parser.parse_args()
    given = {"hidden-size": options.hidden_size, "epochs": options.epochs}
    changes = {name: value for name, value in given.items() if value is not None}
    changes |= {"threads": options.threads, "seed": options.seed}
    heads = ["ours", "last value", "a season ago", *MODELS]
    print(f"{'MSE / MAE':14}" + "".join(f"{head:>15}" for head in heads) + "  windows, processor s")
    for name in options.sets:
        for horizon in options.horizons:
            found = compute(name, horizon, options.runs, changes)
            own = [found, found["last_value"], found["seasonal_naive"]]
            pairs = [(one["mse"], one["mae"]) for one in own] + [*PUBLISHED[name, horizon]]
            cells = "".join(f"{f'{mse:.3f} / {mae:.3f}':>15}" for mse, mae in pairs)
            spent = found["training_processor_s"]
            told = "in several goes" if spent is None else f"{spent:,.0f}"
            print(f"{f'{name} {horizon}':14}{cells}  {found['windows']:,}, {told}", flush=True)


if __name__ == "__main__":
    main()
