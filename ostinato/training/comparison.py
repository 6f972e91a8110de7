"""What makes one validation better than another."""

from collections.abc import Mapping
from typing import Any


def compared(figures: Mapping[str, Any]) -> float:
    """The figure that is least at the best validation: `error` where there is one, else the loss.

    A task names an `error` where what people want is not the loss, as the F1 of spans.
    """
    return figures.get("error", figures["nats_per_unit"])
