"""The losses of a run as a picture."""

import math
import os
from pathlib import Path
from typing import Any

from ostinato.errors import missing_extra
from ostinato.training.comparison import compared
from ostinato.training.metrics import read_metrics

_NATS_PER_BIT = math.log(2)
_NO_LIKELIHOODS = {"tour": "length of a tour", "horizon value": "loss of a value of the horizon"}
"""Units whose loss is no negative log-likelihood, and what it is."""


def draw_losses(metrics: Path, picture: Path, unit: str) -> None:
    """Draw training and validation loss against updates, as the terminal tells them.

    Args:
        metrics: the run's JSON lines.
        picture: the PNG file to write; its folder is made.
        unit: what a loss is of, in the singular, as "character".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plot_losses(read_metrics(metrics), unit)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def plot_losses(records: list[dict[str, Any]], unit: str) -> Any:
    """A matplotlib figure of the records of a run's metrics; `unit` as in `draw_losses`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    updates, bits = _training(records, unit)
    axes.plot(updates, bits, color="#9db4d6", linewidth=1.2, label="training")
    _plot_validation(axes, *_validation(records, unit), _best(records))
    axes.margins(y=0.12)
    _focus(axes, bits)
    axes.set_xlabel("update")
    axes.set_ylabel(_NO_LIKELIHOODS.get(unit, f"bits per {unit}"))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _plot_validation(axes: Any, updates: list[int], bits: list[float], best: int) -> None:
    if not bits:
        return
    # In the legend, which looks for room by itself: beside its point it lay on the other curve.
    label = f"validation, best {bits[best]:.3f} after update {updates[best]:,}"
    axes.plot(updates, bits, color="#b3472f", linewidth=1.8, marker="o", ms=3.5, label=label)


def _scale(unit: str) -> float:
    """Nats to a bit; what is no likelihood stays what it is."""
    return 1.0 if unit in _NO_LIKELIHOODS else _NATS_PER_BIT


def _training(records: list[dict[str, Any]], unit: str) -> tuple[list[int], list[float]]:
    """Updates, and the training loss in bits."""
    found = [record for record in records if "nats_per_unit" in record]
    bits = [record["nats_per_unit"] / _scale(unit) for record in found]
    return [record["update"] for record in found], bits


def _validation(records: list[dict[str, Any]], unit: str) -> tuple[list[int], list[float]]:
    """Updates, and the validation loss in bits."""
    found = [record for record in records if "validation" in record]
    figures = [record["validation"] for record in found]
    bits = [one.get(f"bits_per_{unit}", one["nats_per_unit"] / _scale(unit)) for one in figures]
    return [record["update"] for record in found], bits


def _best(records: list[dict[str, Any]]) -> int:
    """Which of the validations is the one whose weights are kept; 0 where there is none."""
    found = [compared(record["validation"]) for record in records if "validation" in record]
    return found.index(min(found)) if found else 0


def _focus(axes: Any, losses: list[float]) -> None:
    """Cut off the first steep fall, which would flatten all the rest."""
    if len(losses) > 20:
        low, _ = axes.get_ylim()
        # The margin below was taken of the whole fall, and reached under zero.
        axes.set_ylim(max(low, 0.0), sorted(losses)[int(0.97 * len(losses))] * 1.05)
