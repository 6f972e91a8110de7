"""What makes one validation better than another."""

import math
from collections.abc import Mapping
from typing import Any

_TIE = 1e-7
"""Less than a sample changes a share, so that it decides between equal ones alone."""


def compared(figures: Mapping[str, Any]) -> float:
    """The figure that is least at the best validation: `error` where there is one, else the loss.

    A task names an `error` where what people want is not the loss, as the F1 of spans.
    """
    return figures.get("error", figures["nats_per_unit"])


def with_ties_broken(error: float, nats: float) -> float:
    """A share that is wrong, of equally good ones more where the loss is larger.

    The one with the smaller loss is less sure where it is wrong.

    Args:
        error: from 0 to 1.
        nats: the loss; NaN where it is not known.

    Example:
        >>> with_ties_broken(0.5, 1.0) < with_ties_broken(0.5, 2.0) < 0.500001
        True
    """
    return error if math.isnan(nats) else error + _TIE * nats / (1 + nats)
