"""A distribution through quantiles: it is one, it goes through them, and its tails decay."""

import numpy as np
import pytest

from ostinato.errors import SettingsError
from ostinato.models.piecewise_linear import PiecewiseLinear

LEVELS = (0.1, 0.3, 0.8, 0.95)
QUANTILES = np.array([-2.0, -0.5, 1.0, 4.0])
FINE = np.linspace(-40, 60, 400_001)


def through() -> PiecewiseLinear:
    return PiecewiseLinear(np.broadcast_to(QUANTILES, (len(FINE), 4)), LEVELS)


def test_the_density_has_mass_one_and_as_much_below_each_quantile_as_its_level() -> None:
    density = np.exp(-through().nats(FINE))
    below = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2) * (FINE[1] - FINE[0])])
    assert below[-1] == pytest.approx(1, abs=1e-4)
    assert np.interp(QUANTILES, FINE, below) == pytest.approx(LEVELS, abs=1e-4)


def test_the_tail_probability_is_twice_the_mass_on_the_nearer_side() -> None:
    density = np.exp(-through().nats(FINE))
    step = (density[1:] + density[:-1]) / 2 * (FINE[1] - FINE[0])
    at_most = np.concatenate([[0], np.cumsum(step)])
    at_least = np.concatenate([np.cumsum(step[::-1])[::-1], [0]])
    expected = np.minimum(1, 2 * np.minimum(at_most, at_least))
    assert through().tail_probability(FINE) == pytest.approx(expected, abs=2e-4)


def test_what_is_further_out_is_less_probable_however_far() -> None:
    far = PiecewiseLinear(np.tile(QUANTILES, (4, 1)), LEVELS).tail_probability(
        np.array([5.0, 10, 20, 100])
    )
    assert (np.diff(far) < 0).all()
    assert far[-1] > 0


def test_a_density_does_not_jump_at_the_outer_quantiles() -> None:
    one = PiecewiseLinear(QUANTILES, LEVELS)
    for place in (QUANTILES[0], QUANTILES[-1]):
        inside, outside = (one.nats(np.array(place + apart)) for apart in (-1e-9, 1e-9))
        assert float(inside) == pytest.approx(float(outside), abs=1e-6)


def test_quantiles_that_coincide_still_have_a_density() -> None:
    one = PiecewiseLinear(np.array([[1.0, 1.0, 1.0]] * 2), (0.1, 0.5, 0.9))
    assert np.isfinite(one.nats(np.array([1.0, 1.0 + 1e-6]))).all()
    assert (one.tail_probability(np.array([0.0, 2.0])) == 0).all()


def test_one_quantile_is_no_distribution() -> None:
    with pytest.raises(SettingsError, match="needs two quantiles or more"):
        PiecewiseLinear(np.array([1.0]), (0.5,))
