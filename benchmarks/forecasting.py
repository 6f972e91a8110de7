"""Our forecasters beside those of Darts and NeuralForecast, on ETTh1 and Weather.

    scripts/peer-environment forecasting
    OSTINATO_DATA=FOLDER python benchmarks/forecasting.py

All have one layer of the same cell and size, see the last 96 rows, forecast 24, and make the same
number of updates of 64 windows by Adam at one rate, the gradient's norm cut at 1, on one thread.
The columns are standardised on the training part before anyone sees them; nobody sees dates. The
errors are over the same windows of the test part. Seconds are the processor's: an epoch is as many
updates as there are windows / 64, each as the fastest tenth of them; of forecasts and appends the
fastest is told. Three ways to forecast are compared, each with the peer that has it:

- all columns and the horizon at once by the squared error: `direct`, Darts' BlockRNNModel
- each column by itself, the horizon at once by the squared error: `segments`, NeuralForecast's LSTM
  or GRU (64 windows of all columns are to it 64 times as many windows of one)
- step by step, by the likelihood, 100 paths drawn: `autoregressive`, Darts' RNNModel

An append reads one row more and forecasts again, after series of three lengths: ours reads it from
a file and writes its new state to the disk, for which it also waits; the peers have the series in
memory.
"""

import argparse
import csv
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ostinato.tasks.forecasting.data import read_data
from ostinato.tasks.forecasting.evaluation import forecasts_from, paths_from
from ostinato.tasks.forecasting.reading import states_before
from ostinato.tasks.forecasting.run import ForecastingRun
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.task import train
from ostinato.training import Observer

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".peers/forecasting/bin/python"
WORKER = ROOT / "benchmarks/environments/forecasting_worker.py"
HISTORY, HORIZON, HIDDEN, BATCH, RATE, SAMPLES = 96, 24, 64, 64, 1e-3, 100
LENGTHS = (1_000, 10_000, 100_000)
TEN = 10  # updates that are timed together
STRIDE = 4  # rows between two windows of the test part


class DataSet(NamedTuple):
    """A table of the literature, a few of its columns, and its three parts in rows."""

    file: str
    columns: tuple[str, ...]
    split: tuple[int, int, int]
    season: int
    epochs: int


SETS = {
    "ETTh1": DataSet("ett/ETTh1.csv", ("OT", "HUFL", "MUFL", "LUFL"), (8640, 2880, 2880), 24, 10),
    "Weather": DataSet(
        "weather/weather.csv", ("T (", "rh", "p (", "Tdew"), (36887, 5270, 10539), 144, 3
    ),
}
PAIRS = (("direct", "darts-block"), ("segments", "neuralforecast"), ("autoregressive", "darts-rnn"))
Result = dict[str, Any]


def values_of(data: DataSet) -> np.ndarray:
    """The columns, standardised on the training part: (time, targets)."""
    path = Path(os.environ["OSTINATO_DATA"]) / "forecasting" / data.file
    with open(path, newline="", encoding="latin-1") as file:
        header, *rows = csv.reader(file)
    places = [next(n for n, name in enumerate(header) if name.startswith(c)) for c in data.columns]
    values = np.array([[float(row[place]) for place in places] for row in rows])
    training = values[: data.split[0]]
    return (values - training.mean(0)) / training.std(0)


def origins_of(data: DataSet) -> list[int]:
    """The rows of the test part that forecasts begin at."""
    first = sum(data.split[:2])
    return list(range(first, sum(data.split) - HORIZON + 1, STRIDE))


class UpdateClock(Observer):
    """The processor's seconds at the start of training and after every tenth update."""

    def __init__(self) -> None:
        self.at: list[tuple[int, float]] = []

    def training_started(self, updates: int, done: int) -> None:
        self.at.append((done, time.process_time()))

    def updated(self, update: int, record: dict[str, Any]) -> None:
        self.at.append((update, time.process_time()))

    def update_seconds(self) -> list[float]:
        """Of every ten updates in a row, the seconds of one."""
        gaps = [(u - v, t - s) for (v, s), (u, t) in itertools.pairwise(self.at)]
        return [seconds / count for count, seconds in gaps if count == TEN]


class Job(NamedTuple):
    """What is trained and how long, by whomever. `folder`: for tables, runs and forecasts."""

    data: DataSet
    values: np.ndarray
    cell: str
    updates: int
    rounds: int
    seed: int
    folder: Path


def our_settings(model: str, job: Job, table: Path, **changes: Any) -> ForecastingSettings:
    drawn = model == "autoregressive"
    own: dict[str, Any] = {
        "data": table,
        "season": job.data.season,
        "split": job.data.split,
        "model": model,
        "cell": job.cell,
        "hidden_size": HIDDEN,
        "batch_size": BATCH,
        # Darts' RNNModel is trained on a history and a horizon.
        "history": HISTORY + HORIZON if drawn else HISTORY,
        "horizon": HORIZON,
        "updates": job.updates,
        "learning_rate": RATE,
        "validate_every": job.updates,
        "seed": job.seed,
        "threads": 1,
        "device": "cpu",
    }
    own |= {"samples": SAMPLES} if drawn else {"loss": "squared"}
    return ForecastingSettings(**own | changes)


def ours(model: str, job: Job) -> Result:
    table, run = job.folder / "values.csv", job.folder / f"{model}-{job.cell}"
    write_table(job.values, table)
    clock = UpdateClock()
    began = time.process_time()
    trained = train(our_settings(model, job, table, run=run), clock)
    found: Result = {"fit_seconds": time.process_time() - began}
    found["update_seconds"] = clock.update_seconds()
    found |= our_windows(trained, job)
    return found | {"append_seconds": {n: our_append(model, job, n) for n in LENGTHS}}


def our_windows(run: ForecastingRun, job: Job) -> Result:
    """Errors over the windows of the test part, seconds of all of them and of one."""
    data = read_data(run.settings)
    (series,) = data.prepared(run.settings).values()
    scaling = data.facts.scalings[""]
    origins = np.array(origins_of(job.data))
    began = time.process_time()
    paths = forecasts_from(run.network, series, origins, run.settings, 0)
    mean, median = (
        found * scaling.scale + scaling.location for found in (paths.mean(1), np.median(paths, 1))
    )
    seconds = time.process_time() - began

    def one() -> None:
        row = origins[:1]
        (state,) = states_before(run.network, series, row, int(row[0]) - HISTORY)
        paths_from(run.network, series, row, state, run.settings, 0)

    return {
        **errors(mean, median, job.values, origins),
        "windows_seconds": seconds,
        "forecast_seconds": fastest(one, job.rounds),
    }


def our_append(model: str, job: Job, length: int) -> float:
    """The fastest append after so many rows; the weights, of two updates, do not matter."""
    place = job.folder / f"{model}-{job.cell}-{length}"
    table, new = place.with_suffix(".csv"), job.folder / "new.csv"
    long = np.resize(job.values, (length + job.rounds, job.values.shape[1]))
    write_table(long[:length], table)
    changes = {"run": place, "split": None, "updates": 2, "validate_every": 2}
    run = train(our_settings(model, job, table, **changes))
    rows = iter(long[length:, None])

    def write() -> None:
        write_table(next(rows), new)

    return fastest(lambda: run.append(new), job.rounds, before=write)


def theirs(model: str, job: Job) -> Result:
    values, forecasts = job.folder / "values.npy", job.folder / "forecasts.npz"
    np.save(values, job.values)
    request = {
        "model": model,
        "cell": job.cell,
        "hidden": HIDDEN,
        "batch": BATCH,
        "rate": RATE,
        "seed": job.seed,
        "updates": job.updates,
        "history": HISTORY,
        "horizon": HORIZON,
        "samples": SAMPLES,
        "targets": job.values.shape[1],
        "train": job.data.split[0],
        "origins": origins_of(job.data),
        "values": str(values),
        "forecasts": str(forecasts),
        "rounds": job.rounds,
        "lengths": LENGTHS,
    }
    file = job.folder / "job.json"
    file.write_text(json.dumps(request))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [str(PEER), str(WORKER), str(file)],
        check=True,
        stdout=subprocess.PIPE,
        cwd=job.folder,
        env=environment,
    )
    found = json.loads(done.stdout)
    with np.load(forecasts) as kept:
        own = errors(kept["mean"], kept["median"], job.values, np.array(request["origins"]))
    single = found["update_seconds"]
    tens = [single[at : at + TEN] for at in range(0, len(single) - TEN + 1, TEN)]
    found["update_seconds"] = [sum(ten) / TEN for ten in tens]
    found["append_seconds"] = {int(key): one for key, one in found["append_seconds"].items()}
    return found | own


def errors(
    mean: np.ndarray, median: np.ndarray, values: np.ndarray, origins: np.ndarray
) -> dict[str, float]:
    """MSE of the mean and MAE of the median; the first two are (windows, horizon, targets)."""
    truth = np.stack([values[row : row + HORIZON] for row in origins])
    return {
        "mse": float(((mean - truth) ** 2).mean()),
        "mae": float(np.abs(median - truth).mean()),
    }


def fastest(
    work: Callable[[], object], rounds: int, before: Callable[[], object] = lambda: None
) -> float:
    """The processor's seconds of `work` alone."""
    best = math.inf
    for _ in range(rounds):
        before()
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def write_table(values: np.ndarray, path: Path) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(f"c{number}" for number in range(values.shape[1])) + "\n")
        np.savetxt(file, values, "%.9g", ",")


def epoch_seconds(updates: list[float], length: int) -> float:
    """So many updates, each as fast as the fastest tenth of them."""
    return length * float(np.quantile(updates, 0.1))


def last_value(job: Job) -> dict[str, float]:
    origins = np.array(origins_of(job.data))
    found = np.repeat(job.values[origins - 1][:, None], HORIZON, 1)
    return errors(found, found, job.values, origins)


HEADS = ("epoch s", "fit s", "MSE", "MAE", "windows s", "one ms", *(f"+1 @{n:,}" for n in LENGTHS))


def row_of(found: Result) -> list[float]:
    """The numbers under `HEADS`, the last four in milliseconds."""
    appended = [1e3 * found["append_seconds"][length] for length in LENGTHS]
    first = ("epoch_seconds", "fit_seconds", "mse", "mae", "windows_seconds")
    return [*(found[name] for name in first), 1e3 * found["forecast_seconds"], *appended]


def tell(name: str, numbers: list[float]) -> None:
    print(f"{name:24}" + "".join(f"{number:>13.4g}" for number in numbers), flush=True)


def compare(pair: tuple[str, str], job: Job, length: int, records: Path | None) -> None:
    """Train both sides, print their rows, and peer / ours."""
    rows = []
    for name, made in zip(pair, (ours, theirs), strict=True):
        found = made(name, job)
        found["epoch_seconds"] = epoch_seconds(found["update_seconds"], length)
        rows.append(row_of(found))
        tell(name, rows[-1])
        if records is not None:
            figures = dict(zip(HEADS, rows[-1], strict=True))
            kept = {"file": job.data.file, "cell": job.cell, "who": name, **figures}
            with open(records, "a", encoding="utf-8") as file:
                file.write(json.dumps(kept) + "\n")
    tell("  peer / ours", [peer / own for own, peer in zip(*rows, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--cells", nargs="+", choices=("lstm", "gru"), default=["lstm"])
    parser.add_argument(
        "--models", nargs="+", choices=[own for own, _ in PAIRS], default=[own for own, _ in PAIRS]
    )
    parser.add_argument("--epochs", type=float, help="None: 10 of ETTh1 and 3 of Weather")
    parser.add_argument("--rounds", type=int, default=15, help="of a forecast and of an append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--records", type=Path, help="gets a line of JSON a model")
    options = parser.parse_args()
    if not PEER.exists():
        sys.exit("no .peers/forecasting; make it: scripts/peer-environment forecasting")
    if "OSTINATO_DATA" not in os.environ:
        sys.exit("set OSTINATO_DATA to the folder that holds forecasting/ett and weather")
    torch.set_num_threads(1)
    for name in options.sets:
        data, values = SETS[name], values_of(SETS[name])
        length = math.ceil((data.split[0] - HISTORY - HORIZON + 1) / BATCH)
        updates = max(2 * TEN, round(length * (options.epochs or data.epochs)))
        for cell in options.cells:
            with tempfile.TemporaryDirectory() as place:
                job = Job(data, values, cell, updates, options.rounds, options.seed, Path(place))
                naive = last_value(job)
                print(
                    f"{name}, {cell}: {len(data.columns)} columns, {updates:,} updates, "
                    f"{length:,} an epoch, {len(origins_of(data)):,} windows of the test; last "
                    f"value: MSE {naive['mse']:.3f}, MAE {naive['mae']:.3f}"
                )
                print(f"{'':24}" + "".join(f"{head:>13}" for head in HEADS), flush=True)
                for pair in PAIRS:
                    if pair[0] in options.models:
                        compare(pair, job, length, options.records)


if __name__ == "__main__":
    main()
