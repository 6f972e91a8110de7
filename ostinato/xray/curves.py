"""The losses of a run as a picture."""

import os
from pathlib import Path
from typing import Any

from ostinato.errors import missing_extra
from ostinato.training.metrics import read_metrics


def draw_losses(metrics: Path, picture: Path) -> None:
    """Draw training and validation loss against updates.

    Args:
        metrics: the run's JSON lines.
        picture: the PNG file to write; its folder is made.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise missing_extra("matplotlib", "figures") from problem
    records = read_metrics(metrics)
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    training = _points(records, "nats_per_unit")
    axes.plot(*training, color="#9db4d6", linewidth=1.2, label="training")
    validations = [{"update": r["update"], **r["validation"]} for r in records if "validation" in r]
    if validations:
        points = _points(validations, "nats_per_unit")
        axes.plot(*points, color="#b3472f", linewidth=1.8, marker="o", ms=3.5, label="validation")
        best = min(zip(points[1], points[0], strict=True))
        axes.annotate(
            f"best {best[0]:.3f}",
            (best[1], best[0]),
            # The curve comes from above on the left: below it there is room.
            xytext=(0, -8),
            textcoords="offset points",
            ha="right",
            va="top",
            color="#b3472f",
        )
    axes.margins(y=0.12)
    _focus(axes, training[1])
    axes.set_xlabel("update")
    axes.set_ylabel("nats per token")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(f"{picture.stem}.writing-{os.getpid()}.png")
    figure.savefig(beside, dpi=150)
    os.replace(beside, picture)


def _points(records: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    found = [record for record in records if name in record]
    return [record["update"] for record in found], [record[name] for record in found]


def _focus(axes: Any, losses: list[float]) -> None:
    """Cut off the first steep fall, which would flatten all the rest."""
    if len(losses) > 20:
        low, _ = axes.get_ylim()
        axes.set_ylim(low, sorted(losses)[int(0.97 * len(losses))] * 1.05)
