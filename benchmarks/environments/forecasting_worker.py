"""Darts' and NeuralForecast's recurrent forecasters, in an environment of their own.

    .peers/forecasting/bin/python benchmarks/environments/forecasting_worker.py JOB.json

JOB.json is what `benchmarks/forecasting.py` writes: a model, its sizes, a file of standardised
values and what to do with it. Forecasts of the test windows go to the file that it names, and the
processor's seconds are printed as JSON. Both libraries read values alone, no calendar.
"""

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas
import torch

os.environ["NIXTLA_ID_AS_COL"] = "1"
import neuralforecast.models
import pytorch_lightning as lightning
from darts import TimeSeries
from darts.models import BlockRNNModel, RNNModel
from darts.utils.likelihood_models import GaussianLikelihood
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE

TOGETHER = 256  # windows forecast at once


class UpdateClock(lightning.Callback):
    """The processor's seconds at the start of training and after every update."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "UpdateClock":
        return self  # NeuralForecast trains a copy of its model

    def on_train_batch_start(self, *arguments: Any) -> None:
        if not self.at:
            self.at.append(time.process_time())

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.at.append(time.process_time())


def trainer_options(clock: UpdateClock) -> dict[str, Any]:
    """Nothing but the training: no progress, no log, no checkpoint."""
    return {
        "accelerator": "cpu",
        "callbacks": [clock],
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "gradient_clip_val": 1.0,
        "logger": False,
    }


class Peer(Protocol):
    """A forecaster of one library; values are (time, targets), standardised."""

    def fit(self, training: np.ndarray) -> None:
        """Train on all of it."""
        ...

    def windows(self, histories: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and median (windows, horizon, targets) of what follows each history."""
        ...

    def follow(self, values: np.ndarray) -> Callable[[np.ndarray], object]:
        """Stand at the end of a series; what it gives appends (1, targets) and forecasts."""
        ...


class Darts:
    """`BlockRNNModel` (the horizon at once) or `RNNModel` (step by step, drawn paths)."""

    def __init__(self, job: dict[str, Any], clock: UpdateClock) -> None:
        self.job = job
        self.drawn = 1
        shared = {
            "model": job["cell"].upper(),
            "hidden_dim": job["hidden"],
            "n_rnn_layers": 1,
            "batch_size": job["batch"],
            "n_epochs": 1,
            "optimizer_kwargs": {"lr": job["rate"]},
            "random_state": job["seed"],
            "pl_trainer_kwargs": trainer_options(clock) | {"max_steps": job["updates"]},
        }
        if job["model"] == "darts-block":
            self.model: Any = BlockRNNModel(
                job["history"], job["horizon"], loss_fn=torch.nn.MSELoss(), **shared
            )
        else:
            self.drawn = job["samples"]
            self.model = RNNModel(
                job["history"],
                training_length=job["history"] + job["horizon"],
                likelihood=GaussianLikelihood(),
                **shared,
            )

    def fit(self, training: np.ndarray) -> None:
        self.model.fit(series_of(training), epochs=self.job["updates"])

    def windows(self, histories: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        found = self._predict([series_of(one) for one in histories])
        paths = np.stack([one.all_values() for one in found])
        return paths.mean(3), np.median(paths, 3)

    def follow(self, values: np.ndarray) -> Callable[[np.ndarray], object]:
        series = series_of(values)

        def append(row: np.ndarray) -> object:
            nonlocal series
            series = series.append_values(row.astype(np.float32))
            return self._predict(series)

        return append

    def _predict(self, series: Any) -> Any:
        return self.model.predict(
            self.job["horizon"],
            series,
            num_samples=self.drawn,
            batch_size=TOGETHER,
            verbose=False,
            show_warnings=False,
        )


def series_of(values: np.ndarray) -> TimeSeries:
    """Values as Darts has them, their steps counted."""
    return TimeSeries.from_values(values.astype(np.float32))


class Neural:
    """`LSTM` or `GRU`: every column a series of its own, with shared weights."""

    def __init__(self, job: dict[str, Any], clock: UpdateClock) -> None:
        self.job = job
        made = getattr(neuralforecast.models, job["cell"].upper())
        model = made(
            h=job["horizon"],
            input_size=job["history"],
            encoder_n_layers=1,
            encoder_hidden_size=job["hidden"],
            decoder_layers=1,
            decoder_hidden_size=job["hidden"],
            loss=MSE(),
            max_steps=job["updates"],
            learning_rate=job["rate"],
            batch_size=job["targets"],
            windows_batch_size=job["batch"] * job["targets"],
            inference_windows_batch_size=TOGETHER * job["targets"],
            scaler_type="identity",  # the values are standardised
            random_seed=job["seed"],
            alias="peer",
            **trainer_options(clock),
        )
        self.forecaster = NeuralForecast(models=[model], freq=1)

    def fit(self, training: np.ndarray) -> None:
        self.forecaster.fit(table_of([training]), val_size=0)

    def windows(self, histories: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        found = self.forecaster.predict(table_of(histories))["peer"].to_numpy()
        shape = len(histories), self.job["targets"], self.job["horizon"]
        points = found.reshape(shape).swapaxes(1, 2)
        return points, points

    def follow(self, values: np.ndarray) -> Callable[[np.ndarray], object]:
        table, length = table_of([values]), len(values)

        def append(row: np.ndarray) -> object:
            nonlocal table, length
            table = pandas.concat([table, table_of([row]).assign(ds=length)])
            length += 1
            return self.forecaster.predict(table)

        return append


def table_of(histories: Iterable[np.ndarray]) -> pandas.DataFrame:
    """A row a value, as NeuralForecast reads it."""
    pieces = [
        (f"{number:06}-{target:02}", one[:, target].astype(np.float32))
        for number, one in enumerate(histories)
        for target in range(one.shape[1])
    ]
    return pandas.DataFrame(
        {
            "unique_id": np.repeat([name for name, _ in pieces], [len(one) for _, one in pieces]),
            "ds": np.concatenate([np.arange(len(one)) for _, one in pieces]),
            "y": np.concatenate([one for _, one in pieces]),
        }
    )


def test_windows(peer: Peer, job: dict[str, Any], values: np.ndarray) -> dict[str, Any]:
    """Forecast from the origins asked for, into a file; seconds of all of them and of one."""
    histories = [values[row - job["history"] : row] for row in job["origins"]]
    peer.windows(histories[:1])
    began = time.process_time()
    found = [
        peer.windows(histories[first : first + TOGETHER])
        for first in range(0, len(histories), TOGETHER)
    ]
    mean, median = (np.concatenate(parts) for parts in zip(*found, strict=True))
    seconds = time.process_time() - began
    np.savez(job["forecasts"], mean=mean, median=median)
    one = fastest(lambda: peer.windows(histories[:1]), job["rounds"])
    return {"windows_seconds": seconds, "forecast_seconds": one}


def appended(peer: Peer, job: dict[str, Any], values: np.ndarray) -> dict[str, Any]:
    """The fastest append and forecast after series of some lengths."""
    found = {}
    for length in job["lengths"]:
        long = np.resize(values, (length + job["rounds"], values.shape[1]))
        append = peer.follow(long[:length])
        rows = iter(long[length:, None])
        found[length] = fastest(lambda: append(next(rows)), job["rounds"])  # noqa: B023
    return {"append_seconds": found}


def fastest(work: Callable[[], object], rounds: int) -> float:
    """The processor's seconds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "darts", "neuralforecast", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    values, clock = np.load(job["values"]), UpdateClock()
    peer: Peer = (Neural if job["model"] == "neuralforecast" else Darts)(job, clock)
    began = time.process_time()
    peer.fit(values[: job["train"]])
    found: dict[str, Any] = {"fit_seconds": time.process_time() - began}
    found["update_seconds"] = np.diff(clock.at).tolist()
    found |= test_windows(peer, job, values) if job["origins"] else {}
    found |= appended(peer, job, values)
    print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
