"""Quantiles that hold on a part they were not fitted on: split conformal calibration.

Of n values that came at a step of the horizon, and the quantile q of level p that was forecast for
each, the errors e = y - q say by how much the quantile must be shifted:

    shift = the k-th smallest e,  k = ceil(p (n + 1)) for p >= 1/2, else floor(p (n + 1))

A further value exchangeable with these lies above the shifted quantile with a probability of at
most 1 - p (p >= 1/2), or below it with one of at most p (p < 1/2). Each step of the horizon, each
target and, where it has values enough, each series has shifts of its own; other series are pooled,
standardised. Every step is covered by itself, not the whole path at once; values that drift from
the calibration part are not exchangeable with it, and no calibration promises anything of them.

Source: Romano 2019 (conformalised quantile regression), theorem 2, its two ends apart; for each
step of a recurrent forecast, Stankeviciute 2021, there with one width for both ends.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import DataError

Values = NDArray[np.float64]


def learn_shifts(errors: Mapping[str, Values], levels: Sequence[float]) -> dict[str, Values]:
    """The shifts of every series: (levels, horizon, targets), in the units of the errors.

    Args:
        errors: for each series (forecasts, levels, horizon, targets), what came minus the
            quantile; NaN where nobody knows.
        levels: of the quantiles.

    Raises:
        DataError: there is a `shortage`.
    """
    problem = shortage((_known(own) for own in errors.values()), levels)
    if problem is not None:
        raise DataError(problem)
    alone = {name: _known(own).min() >= values_needed(levels) for name, own in errors.items()}
    pooled = None
    if not all(alone.values()):
        pooled = _shifts(np.concatenate(list(errors.values())), levels)
    return {
        name: _shifts(own, levels) if pooled is None or alone[name] else pooled
        for name, own in errors.items()
    }


def only_wider(shifts: Values, levels: Sequence[float]) -> Values:
    """Of shifts (levels, ...) those away from the middle; all others, and the middle's, are 0.

    The promise above holds on: no quantile is nearer to the middle than its shift would have it. A
    few seasons in which a forecaster was too careful, or erred to one side, say little of later
    ones, and an interval that is too wide does less harm than one that is too narrow.
    """
    level = np.array(levels).reshape(-1, *[1] * (shifts.ndim - 1))
    outward = np.where(level > 0.5, np.maximum(shifts, 0), np.minimum(shifts, 0))
    return np.where(level == 0.5, 0.0, outward)


def values_needed(levels: Sequence[float]) -> int:
    """How many values each step must have, for the outer quantiles to lie among them."""
    return max(math.ceil(1 / min(level, 1 - level) - 1e-9) - 1 for level in levels)


def shortage(known: Iterable[NDArray[np.int64]], levels: Sequence[float]) -> str | None:
    """Why there are too few values, even of all series together; None where there are enough.

    Args:
        known: of each series, values at each step and target (horizon, targets).
        levels: of the quantiles.
    """
    fewest, needed = int(sum(known).min()), values_needed(levels)  # pyright: ignore
    if fewest >= needed:
        return None
    return (
        f"conformal calibration to the quantiles {' '.join(map(str, levels))} needs {needed} "
        "values of the validation part at every step of the horizon, and at one there are "
        f"{fewest}: train with a higher --validation-fraction, or with quantiles nearer to 0.5"
    )


def shifted(quantiles: Values, shifts: Values) -> Values:
    """Quantiles (levels, ...) with their shifts, put in order where these make them cross."""
    return np.sort(quantiles + shifts, axis=0)


def _known(errors: Values) -> NDArray[np.int64]:
    """Values at each step and target: (horizon, targets)."""
    return (~np.isnan(errors[:, 0])).sum(0)


def _shifts(errors: Values, levels: Sequence[float]) -> Values:
    ordered = np.sort(errors, axis=0)  # NaN stands last
    count = (~np.isnan(errors)).sum(0)
    level = np.array(levels).reshape(-1, 1, 1)
    place = level * (count + 1)
    rank = np.where(level >= 0.5, np.ceil(place - 1e-9), np.floor(place + 1e-9)).astype(int)
    chosen = np.clip(rank, 1, count) - 1
    return np.take_along_axis(ordered, chosen[None], axis=0)[0]
