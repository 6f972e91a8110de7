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
from collections.abc import Mapping, Sequence

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
        DataError: too few values at some step, even of all series together.
    """
    needed = max(math.ceil(1 / min(level, 1 - level) - 1e-9) - 1 for level in levels)
    pooled: Values | None = None
    found = {}
    for name, own in errors.items():
        if _fewest(own) >= needed:
            found[name] = _shifts(own, levels)
            continue
        if pooled is None:
            together = np.concatenate(list(errors.values()))
            if _fewest(together) < needed:
                raise DataError(
                    f"conformal calibration to the quantiles {' '.join(map(str, levels))} needs "
                    f"{needed} values of the validation part at every step of the horizon, and "
                    f"at one there are {_fewest(together)}: train with a higher "
                    "--validation-fraction, or with quantiles nearer to 0.5"
                )
            pooled = _shifts(together, levels)
        found[name] = pooled
    return found


def shifted(quantiles: Values, shifts: Values) -> Values:
    """Quantiles (levels, ...) with their shifts, put in order where these make them cross."""
    return np.sort(quantiles + shifts, axis=0)


def _fewest(errors: Values) -> int:
    """Values at the step and target that has the fewest."""
    return int((~np.isnan(errors[:, 0])).sum(0).min()) if len(errors) else 0


def _shifts(errors: Values, levels: Sequence[float]) -> Values:
    ordered = np.sort(errors, axis=0)  # NaN stands last
    count = (~np.isnan(errors)).sum(0)
    level = np.array(levels).reshape(-1, 1, 1)
    place = level * (count + 1)
    rank = np.where(level >= 0.5, np.ceil(place - 1e-9), np.floor(place + 1e-9)).astype(int)
    chosen = np.clip(rank, 1, count) - 1
    return np.take_along_axis(ordered, chosen[None], axis=0)[0]
