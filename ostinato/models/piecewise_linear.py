"""A distribution through quantiles: how far out in it a value lies, and its density there.

    F(q_k) = p_k,  straight between two quantiles                 k = 1 .. K
    F(y)     = p_1 exp((y - q_1) / b_1)           below q_1,   b_1 = p_1 (q_2 - q_1) / (p_2 - p_1)
    1 - F(y) = (1 - p_K) exp(-(y - q_K) / b_K)    above q_K,   b_K alike

The tails are exponential, and b is such that the density is the same on both sides of the outer
quantiles. Ours: a net that gives quantiles says nothing of what lies beyond them.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import SettingsError

Values = NDArray[np.float64]
_NARROWEST = 1e-9
"""Between two quantiles, of standardised values: no density is larger than this lets it be."""


@final
class PiecewiseLinear:
    """The distributions through quantiles.

    Args:
        quantiles: (..., levels), rising along the last axis.
        levels: rising, at least two.

    Raises:
        SettingsError: one level alone says nothing of how wide a distribution is.

    Example:
        >>> one = PiecewiseLinear(np.array([-1.0, 0.0, 1.0]), (0.1, 0.5, 0.9))
        >>> [round(float(one.tail_probability(np.array(value))), 3) for value in (0, -1, 1, 2)]
        [1.0, 0.2, 0.2, 0.004]
    """

    def __init__(self, quantiles: Values, levels: Sequence[float]) -> None:
        if len(levels) < 2:
            raise SettingsError(f"a distribution needs two quantiles or more, got {len(levels)}")
        self.levels = np.array(levels, dtype=np.float64)
        self.first, self.last = quantiles[..., 0], quantiles[..., -1]
        self.quantiles = quantiles
        self.widths = np.maximum(np.diff(quantiles), _NARROWEST)
        self.densities = np.diff(self.levels) / self.widths

    def tail_probability(self, values: Values) -> Values:
        """The probability of a value at least as far out, on either side: from 0 to 1.

            p = min(1, 2 min(F(y), 1 - F(y)))

        Args:
            values: (...).
        """
        below = np.minimum(values - self.first, 0.0) * self.densities[..., 0] / self.levels[0]
        above = np.minimum(self.last - values, 0.0) * self.densities[..., -1] / self._beyond
        place, share = self._place(values)
        inside = self.levels[place] + share * np.diff(self.levels)[place]
        at_most = np.where(values < self.first, self.levels[0] * np.exp(below), inside)
        at_least = np.where(values > self.last, self._beyond * np.exp(above), 1 - inside)
        return np.minimum(1.0, 2 * np.minimum(at_most, at_least))

    def nats(self, values: Values) -> Values:
        """Minus the logarithm of the density at values (...)."""
        below = (values - self.first) * self.densities[..., 0] / self.levels[0]
        above = (self.last - values) * self.densities[..., -1] / self._beyond
        place, _ = self._place(values)
        here = np.log(np.take_along_axis(self.densities, place[..., None], -1)[..., 0])
        return -(here + np.minimum(below, 0.0) + np.minimum(above, 0.0))

    @property
    def _beyond(self) -> float:
        return 1 - float(self.levels[-1])

    def _place(self, values: Values) -> tuple[NDArray[np.int64], Values]:
        """The piece that each value lies in, and how far in it, from 0 to 1; the outer beyond."""
        before = (values[..., None] >= self.quantiles).sum(-1) - 1
        place = np.clip(before, 0, len(self.levels) - 2)
        start = np.take_along_axis(self.quantiles, place[..., None], -1)[..., 0]
        width = np.take_along_axis(self.widths, place[..., None], -1)[..., 0]
        return place, np.clip((values - start) / width, 0.0, 1.0)
