"""The temperature of the next 24 hours in Jena, in degrees, beside forecasts that cost nothing.

    python recipes/temperature_tomorrow.py

Weather of 2020, a value an hour (every sixth row). The net reads temperature, dew point, pressure,
humidity and radiation of the last three days and knows the hour of the day; it does not know the
day of the year, of which its training part (the first 70 %) has seen each at most once. Forecasts
begin at every hour of the last 20 %. Persistence says that all hours are as the last one was. At
exactly 24 hours it is the same as the same hour yesterday; before, it is not.
"""

import argparse
import csv
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np

import ostinato
from ostinato.tasks.forecasting.data import read_data
from ostinato.tasks.forecasting.evaluation import forecasts_from, origins_of
from ostinato.tasks.forecasting.run import ForecastingRun

FILE = "forecasting/weather/weather.csv"
COLUMNS = ("T (degC)", "Tdew (degC)", "p (mbar)", "rh (%)", "SWDR")
HOURS = 24
SETTINGS = {
    "model": "direct",
    "cell": "gru",
    "hidden_size": 48,
    "history": 3 * HOURS,
    "loss": "quantile",
    "dropout": 0.2,
    "batch_size": 64,
    "epochs": 8,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "season": HOURS,
    "device": "cpu",
}


def find_file(name: str) -> Path:
    """A file under $OSTINATO_DATA; ends with a reason where it is not there."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {name}")
    file = Path(folder) / name
    if not file.is_file():
        sys.exit(f"skipped: there is no {file}")
    return file


def hourly(source: Path, table: Path) -> None:
    """Every sixth row of the columns used, and where in its day it lies."""
    with open(source, newline="", encoding="latin-1") as file:
        rows = list(csv.reader(file))
    header, rows = rows[0], rows[1::6]
    places = [next(n for n, name in enumerate(header) if name.startswith(c)) for c in COLUMNS]
    table.parent.mkdir(parents=True, exist_ok=True)
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["temperature", *COLUMNS[1:], "sine", "cosine"])
        for row in rows:
            hour = int(row[0][11:13]) + int(row[0][14:16]) / 60
            angle = 2 * math.pi * hour / 24
            turn = [f"{math.sin(angle):.5f}", f"{math.cos(angle):.5f}"]
            writer.writerow([*(row[place] for place in places), *turn])


def errors(forecast: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Mean absolute and root mean squared error over the day, and at its end; in degrees."""
    apart = forecast - truth
    return {
        "mae": round(float(np.abs(apart).mean()), 3),
        "rmse": round(float(np.sqrt((apart**2).mean())), 3),
        "mae_after_24_hours": round(float(np.abs(apart[:, -1]).mean()), 3),
    }


def judge(run: ForecastingRun) -> dict[str, dict[str, float]]:
    """The net, persistence and the same hour yesterday, from every hour of the test part."""
    data = read_data(run.settings)
    values = data.series[""].values[:, 0].astype(np.float64)
    origins = origins_of(data, "", HOURS, len(values))
    (series,) = data.prepared(run.settings).values()
    paths = forecasts_from(run.network, series, origins, run.settings, seed=0)[..., 0]
    scaling = data.facts.scalings[""]
    days = [slice(row, row + HOURS) for row in origins]
    truth = np.stack([values[day] for day in days])
    median = np.median(paths, 1) * scaling.scale[0] + scaling.location[0]
    last = np.repeat(values[origins - 1][:, None], HOURS, 1)
    yesterday = np.stack([values[row - HOURS : row] for row in origins])
    return {
        "net (median)": errors(median, truth),
        "persistence": errors(last, truth),
        "same hour yesterday": errors(yesterday, truth),
        "forecasts": {"count": len(origins)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/temperature-tomorrow"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = options.run.with_suffix(".csv")
    hourly(find_file(FILE), table)
    started = time.process_time()
    run = ostinato.train_forecasting(
        table,
        HOURS,
        known=("sine", "cosine"),
        run=options.run,
        threads=options.threads,
        seed=options.seed,
        **SETTINGS,
    )
    spent = round(time.process_time() - started, 1)
    print(json.dumps({**judge(run), "training_processor_s": spent}, indent=1))


if __name__ == "__main__":
    main()
