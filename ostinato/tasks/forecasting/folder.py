"""What the folder of a forecasting run says: its settings, what it learned of the table."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.grid import Grid
from ostinato.data.forecasting.splits import Scaling
from ostinato.data.forecasting.static import StaticCoding, learn_static
from ostinato.errors import CheckpointError
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.own_cell import absolute_cell, cell_title
from ostinato.tasks.recorded_run import recorded_cell, recorded_settings, write_run
from ostinato.tasks.run_folder import RECORD, read_record


@dataclass(frozen=True)
class Facts:
    """What a run knows of its table.

    Args:
        columns: which is what.
        grid: where steps lie.
        season: in steps.
        scalings: of each series.
        known_scaling: of the known columns.
        naive_errors: for each series and target what MASE is in, standardised.
        static: for each series what the static columns hold, as text.
    """

    columns: Columns
    grid: Grid
    season: int
    scalings: dict[str, Scaling]
    known_scaling: Scaling
    naive_errors: dict[str, list[float]]
    static: dict[str, list[str]]

    @cached_property
    def static_coding(self) -> StaticCoding:
        """How static columns are read."""
        return learn_static(self.columns.static, self.static)

    @property
    def covariates(self) -> int:
        """Features that are known of every step."""
        calendar = 2 * len(self.grid.turns_s)
        return calendar + 2 * len(self.columns.known) + self.static_coding.width


def settings_of(folder: Path, cell: str | None = None) -> ForecastingSettings:
    """The settings of the run in `folder`.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        CheckpointError: there is no run of forecasting.
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    return recorded_settings(folder, "forecasting", ForecastingSettings, cell)


def facts_of(folder: Path) -> Facts:
    """What the run in `folder` knows of its table."""
    try:
        kept = read_record(folder)["facts"]
        return Facts(
            Columns(**{name: _as_tuple(value) for name, value in kept["columns"].items()}),
            Grid(**kept["grid"]),
            kept["season"],
            {name: _scaling(one) for name, one in kept["scalings"].items()},
            _scaling(kept["known_scaling"]),
            {
                name: [np.nan if one is None else one for one in errors]
                for name, errors in kept["naive_errors"].items()
            },
            kept["static"],
        )
    except (KeyError, TypeError) as problem:
        raise CheckpointError(f"{folder / RECORD} is damaged: {problem}") from problem


def describe(folder: Path, settings: ForecastingSettings, facts: Facts, fingerprint: str) -> None:
    """Write what the run is: settings, what is known of the table, and a page for a person."""
    paths = {"run": folder.absolute(), "data": settings.data.absolute()}
    fixed = settings.model_copy(update={**paths, "cell": absolute_cell(settings.cell)})
    record = {
        "task": "forecasting",
        **recorded_cell(settings.cell),
        "fingerprint": fingerprint,
        "sources": [str(settings.data.absolute())],
        "facts": _written(facts),
    }
    write_run(folder, fixed, record, _page(folder, settings, facts))


def fingerprint(settings: ForecastingSettings) -> str:
    """SHA-256 of the file and of how it is read."""
    with open(settings.data, "rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    names = ("target", "series", "known", "horizon", "history", "frequency", "season")
    names += ("static", "combine", "validation_fraction", "test_fraction", "split", "model")
    names += ("batch_size", "seed")
    time = settings.time if len(settings.time) > 1 else " ".join(settings.time) or None
    read = [time, *(getattr(settings, name) for name in names)]
    if settings.time_format is not None:
        read.append(settings.time_format)
    return hashlib.sha256(json.dumps([content, read]).encode()).hexdigest()


def _written(facts: Facts) -> dict[str, Any]:
    return {
        "columns": asdict(facts.columns),
        "grid": asdict(facts.grid),
        "season": facts.season,
        "scalings": {name: _listed(one) for name, one in facts.scalings.items()},
        "known_scaling": _listed(facts.known_scaling),
        "naive_errors": {
            name: [None if np.isnan(one) else one for one in errors]
            for name, errors in facts.naive_errors.items()
        },
        "static": facts.static,
    }


def _listed(scaling: Scaling) -> list[list[float]]:
    return [scaling.location.tolist(), scaling.scale.tolist()]


def _scaling(listed: list[list[float]]) -> Scaling:
    location, scale = (np.array(part, dtype=np.float32) for part in listed)
    return Scaling(location, scale)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _page(folder: Path, settings: ForecastingSettings, facts: Facts) -> str:
    targets, cell = ", ".join(facts.columns.targets), cell_title(settings.cell)
    return f"""# {folder.name}

A forecaster of {targets}, {settings.horizon} steps ahead, trained on {settings.data.name}
({len(facts.scalings)} series).

- model: {settings.model}, {settings.layers} x {cell}, {settings.hidden_size} units,
  {settings.loss + " loss" if settings.windowed else settings.distribution}

    ostinato forecast {folder}          the next {settings.horizon} steps
    ostinato append {folder} FILE       reads new rows and forecasts again
    ostinato backtest {folder}          its figures on the test part
    ostinato resume {folder}            go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the losses in figures/loss.png.
"""
