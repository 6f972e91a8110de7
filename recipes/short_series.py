"""M4, the hourly or the weekly series: one net for hundreds of short series.

    python recipes/short_series.py Hourly     # 414 series, 48 hours ahead
    python recipes/short_series.py Weekly     # 359 series, 13 weeks ahead

The competition's protocol: one forecast after the end of each training series, compared with the
values that were kept back. sMAPE is 200 |y - f| / (|y| + |f|), MASE the mean absolute error over
that of the value a season before in training (24 hours; of the weeks one), both means over the
steps of a series, then over the series (Makridakis 2020). The end of the training series chooses
the weights. With --smoothing the same is told of exponential smoothing, fitted to each by itself.

Published: the table of the competition (Mcompetitions/M4-methods, Evaluation and Ranks).
"""

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ostinato
from ostinato.data.forecasting.baselines import last_value, seasonal_naive
from ostinato.data.forecasting.exponential_smoothing import smoothing_forecasts
from ostinato.data.forecasting.judging import naive_error, symmetric_percentage_error

FOLDER = "forecasting/m4"
HORIZONS = {"Hourly": 48, "Weekly": 13}
SEASONS = {"Hourly": 24, "Weekly": 1}
"""As the competition counts them, for MASE and the seasonal naive forecast."""
PUBLISHED = {
    "Hourly": {
        "ES-RNN (first)": {"smape": 9.328, "mase": 0.893},
        "FFORMA (second)": {"smape": 11.506},
        "MLP": {"smape": 13.842},
        "RNN": {"smape": 14.698, "mase": 3.048},
        "Theta": {"smape": 18.138},
        "Naive2": {"smape": 18.383},
    },
    "Weekly": {
        "ES-RNN (first)": {"smape": 7.817, "mase": 2.356},
        "FFORMA (second)": {"smape": 7.625},
        "MLP": {"smape": 21.349},
        "RNN": {"smape": 15.220, "mase": 5.132},
        "Theta": {"smape": 9.093},
        "Naive2": {"smape": 9.161},
    },
}
SETTINGS = {
    "model": "direct",
    "cell": "gru",
    "hidden_size": 64,
    "batch_size": 64,
    "loss": "quantile",
    "normalisation": "last",
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "final_rate": 0.05,
    "test_fraction": 0.0,
    "device": "cpu",
}
OF_A_SET = {
    # Chosen on the validation part: MASE 1.07, by the absolute error 1.13, yesterday's hour 1.36.
    "Hourly": {
        "model": "segments",
        "history": 336,
        "segment": 24,
        "season": 24,
        "hidden_size": 128,
        "updates": 1500,
        "validation_fraction": 0.1,
    },
    "Weekly": {"history": 52, "season": 1, "updates": 600, "validation_fraction": 0.05},
}
Series = dict[str, np.ndarray]


def read(name: str) -> Series:
    """The series of a file, a row each, cut where its values end."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {FOLDER}/{name}")
    file = Path(folder) / FOLDER / name
    if not file.is_file():
        sys.exit(f"skipped: there is no {file}")
    with open(file, newline="", encoding="utf-8") as rows:
        _, *found = csv.reader(rows)
    return {row[0]: np.array([float(cell) for cell in row[1:] if cell]) for row in found}


def write_long(series: Series, table: Path) -> None:
    """The series one below the other, as `--series` has them."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["series", "step", "value"])
        for name, values in series.items():
            writer.writerows([name, step, f"{value:.9g}"] for step, value in enumerate(values))


def figures(
    forecasts: Mapping[str, np.ndarray], past: Series, future: Series, season: int
) -> dict[str, float]:
    """sMAPE and MASE, means over the series."""
    smape, mase = [], []
    for name, forecast in forecasts.items():
        truth = future[name]
        smape.append(symmetric_percentage_error(forecast, truth).mean())
        scale = naive_error(past[name][:, None], season)[0]
        mase.append(np.abs(forecast - truth).mean() / scale)
    return {"smape": round(float(np.mean(smape)), 3), "mase": round(float(np.mean(mase)), 3)}


def baselines(past: Series, horizon: int, season: int, *, smoothing: bool) -> dict[str, Series]:
    """Forecasts that learn nothing, and exponential smoothing where asked for."""
    columns = {name: values[:, None] for name, values in past.items()}
    naive = seasonal_naive(season)
    found = {
        "last value": {name: last_value(one, horizon)[:, 0] for name, one in columns.items()},
        "a season ago": {name: naive(one, horizon)[:, 0] for name, one in columns.items()},
    }
    if smoothing:
        found["exponential smoothing"] = {
            name: smoothing_forecasts(one, len(one), [len(one)], season, horizon)[0].mean(0)[:, 0]
            for name, one in columns.items()
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", choices=HORIZONS)
    parser.add_argument("--smoothing", action="store_true", help="minutes for the hourly series")
    parser.add_argument("--updates", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, help="folder; None: runs/m4-SET")
    options = parser.parse_args()
    name = options.set
    horizon, season = HORIZONS[name], SEASONS[name]
    past, future = read(f"{name}-train.csv"), read(f"{name}-test.csv")
    folder = options.run or Path(f"runs/m4-{name.lower()}")
    table = folder.with_suffix(".csv")
    write_long(past, table)
    changes: dict[str, Any] = {"run": folder, "threads": options.threads, "seed": options.seed}
    changes |= {"updates": options.updates} if options.updates else {}
    started = time.process_time()
    run = ostinato.train_forecasting(
        table,
        horizon,
        series="series",
        time="step",
        target=("value",),
        **(SETTINGS | OF_A_SET[name] | changes),
    )
    trained = time.process_time()
    ours = {one.series: np.median(one.paths[..., 0], 0) for one in run.forecast()}
    forecast = time.process_time()
    made = baselines(past, horizon, season, smoothing=options.smoothing)
    told: dict[str, Any] = {"ours": figures(ours, past, future, season)}
    told |= {label: figures(one, past, future, season) for label, one in made.items()}
    told |= PUBLISHED[name]
    told["training_processor_s"] = round(trained - started, 1)
    told["forecast_processor_s"] = round(forecast - trained, 1)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
