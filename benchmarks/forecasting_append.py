"""What it costs to append one observation, against the length of the series read before.

    python benchmarks/forecasting_append.py

A forecaster of one series is trained for a few updates (its figures do not matter here) on tables
of growing length. Then one row at a time is appended, and the fastest append is told: the whole
call, which reads the row from a file, forecasts 24 steps by 100 paths and saves the state. Beside
it stands what a forecast from the whole table costs, which reads it all again. Appending is
constant if its column does not grow with the rows. The lengths take turns, so that a noisy machine
is noisy for all.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import torch

from ostinato.tasks.forecasting.run import ForecastingRun
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.task import train

LENGTHS = (1_000, 10_000, 100_000)
HORIZON = 24


def value(step: int) -> str:
    """A row of a table."""
    return f"{step},{math.sin(step / 12 * math.pi) + step % 7 / 10:.4f}\n"


def trained(folder: Path, length: int) -> tuple[ForecastingRun, Path]:
    """A run on so many rows, and its table."""
    table = folder / f"{length}.csv"
    table.write_text("t,v\n" + "".join(map(value, range(length))))
    settings = ForecastingSettings(
        data=table,
        time="t",
        target=("v",),
        horizon=HORIZON,
        season=24,
        updates=2,
        batch_size=8,
        threads=1,
        device="cpu",
        run=folder / f"run-{length}",
    )
    return train(settings), table


def main() -> None:
    """Print a row a length."""
    parser = argparse.ArgumentParser(description="The cost of appending one observation.")
    parser.add_argument("--rounds", type=int, default=15, help="appends of each length")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        runs = {length: trained(Path(place), length) for length in LENGTHS}
        appended = {length: [] for length in LENGTHS}
        for number in range(rounds):
            for length, (run, _) in runs.items():
                new = Path(place) / "new.csv"
                new.write_text("t,v\n" + value(length + number))
                start = time.perf_counter()
                run.append(new)
                appended[length].append(time.perf_counter() - start)
        print(f"{'rows before':>12} {'append and forecast, ms':>24} {'forecast anew, ms':>18}")
        for length, (run, table) in runs.items():
            start = time.perf_counter()
            run.forecast(table)
            anew = time.perf_counter() - start
            print(f"{length:12,} {1000 * min(appended[length]):24.1f} {1000 * anew:18.1f}")


if __name__ == "__main__":
    main()
