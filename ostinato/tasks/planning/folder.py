"""What the folder of a planning run says: its settings, and a page for a person."""

import hashlib
import json
from pathlib import Path

from ostinato.data.planning.problems import PROBLEMS
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.recorded_run import recorded_settings, write_run


def settings_of(folder: Path) -> PlanningSettings:
    """The settings of the run in `folder`.

    Raises:
        CheckpointError: there is no run of planning.
    """
    return recorded_settings(folder, "planning", PlanningSettings)


def fingerprint(settings: PlanningSettings) -> str:
    """SHA-256 of all that the examples depend on."""
    drawn = (settings.problem, settings.sizes, settings.batch_size, settings.epoch_size)
    return hashlib.sha256(json.dumps([*drawn, settings.seed]).encode()).hexdigest()


def describe(folder: Path, settings: PlanningSettings) -> None:
    """Write what the run is: settings, fingerprint, and a page for a person."""
    cache, weights = settings.cache_dir, settings.initial_weights
    fixed = settings.model_copy(
        update={
            "run": folder.absolute(),
            "cache_dir": None if cache is None else cache.absolute(),
            "initial_weights": None if weights is None else weights.absolute(),
        }
    )
    record = {
        "task": "planning",
        "cell": settings.cell if settings.model == "recurrent" else settings.model,
        "fingerprint": fingerprint(settings),
        "sources": [],
    }
    write_run(folder, fixed, record, _page(folder, settings))


def _page(folder: Path, settings: PlanningSettings) -> str:
    fewest, most = settings.sizes
    points = f"{most}" if fewest == most else f"{fewest} to {most}"
    depth = f"{settings.layers} layer" + "s" * (settings.layers > 1) + f" of {settings.cell}"
    if settings.model == "attention":
        depth = f"{settings.blocks} block" + "s" * (settings.blocks > 1)
    return f"""# {folder.name}

A planner of {PROBLEMS[settings.problem].answer} through {points} points, trained with
{settings.train_with}.

- model: {settings.model}, {depth}, {settings.hidden_size} units

    ostinato plan {folder} POINTS.csv     an answer to your own points
    ostinato evaluate {folder}            its figures
    ostinato resume {folder}              go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the losses in figures/loss.png.
"""
