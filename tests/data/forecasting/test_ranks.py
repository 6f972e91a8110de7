"""Conformal p-values are counts, hold what they promise, and pass over what is missing."""

import numpy as np
import pytest

from ostinato.data.forecasting.ranks import conformal_p_values


def test_p_values_are_those_counted_one_by_one() -> None:
    chance = np.random.default_rng(0)
    before = chance.integers(-4, 5, (30, 2)).astype(np.float64)
    before[3, 0] = before[7:12, 1] = np.nan
    errors = chance.integers(-6, 7, (20, 2)).astype(np.float64)
    found = conformal_p_values(errors, before)
    for (row, target), error in np.ndenumerate(errors):
        known = [one for one in before[:, target] if not np.isnan(one)]
        at_most, at_least = sum(one <= error for one in known), sum(one >= error for one in known)
        expected = min(1, 2 * (1 + min(at_most, at_least)) / (len(known) + 1))
        assert found[row, target] == pytest.approx(expected)


def test_a_value_like_those_before_has_a_small_p_no_more_often_than_it_says() -> None:
    chance = np.random.default_rng(1)
    found = np.concatenate(
        [
            conformal_p_values(chance.normal(size=(1, 50)), chance.normal(size=(39, 50)))
            for _ in range(200)
        ]
    )
    for level in (0.05, 0.1, 0.5):
        assert (found <= level).mean() == pytest.approx(level, abs=0.01)
