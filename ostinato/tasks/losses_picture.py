"""The picture of a run's losses, drawn when a training ends."""

from pathlib import Path

from ostinato.errors import MissingExtraError


def draw_losses_of_run(folder: Path, unit: str) -> None:
    """Draw RUN/figures/loss.png from the figures so far; without matplotlib there is none.

    Args:
        folder: of the run.
        unit: what a loss is of, in the singular.
    """
    from ostinato.xray.curves import draw_losses

    metrics = folder / "metrics.jsonl"
    if not metrics.is_file():
        return
    try:
        draw_losses(metrics, folder / "figures" / "loss.png", unit)
    except MissingExtraError:
        return
