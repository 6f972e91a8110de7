"""Quantiles that cannot cross, their loss, and values read off them."""

import numpy as np
import pytest
import torch

from ostinato.errors import SettingsError
from ostinato.models.quantiles import (
    check_levels,
    paths_of_quantiles,
    pinball_loss,
    rising_quantiles,
)

LEVELS = (0.05, 0.3, 0.5, 0.9)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("levels", [(0.2,), (0.1, 0.9), LEVELS, (0.7, 0.8, 0.9)])
def test_quantiles_never_cross(size: float, levels: tuple[float, ...]) -> None:
    raw = size * torch.randn(500, len(levels), generator=torch.Generator().manual_seed(0))
    assert (rising_quantiles(raw, levels).diff(dim=-1) >= 0).all()


def test_the_middle_is_free_and_the_rest_are_sums_of_softplus() -> None:
    raw = np.array([0.4, -1.2, 2.0, 0.7])
    grow = np.log1p(np.exp(raw))
    expected = [2.0 - grow[1] - grow[0], 2.0 - grow[1], 2.0, 2.0 + grow[3]]
    found = rising_quantiles(torch.tensor(raw), LEVELS)
    assert found.tolist() == pytest.approx(expected)


def test_the_pinball_loss_is_its_definition() -> None:
    chance = np.random.default_rng(0)
    quantiles, truth = chance.normal(size=(6, 4)), chance.normal(size=6)
    expected = [
        np.mean(
            [p * (y - q) if y >= q else (1 - p) * (q - y) for p, q in zip(LEVELS, row, strict=True)]
        )
        for row, y in zip(quantiles, truth, strict=True)
    ]
    found = pinball_loss(torch.tensor(quantiles), torch.tensor(truth), LEVELS)
    assert found.tolist() == pytest.approx(expected)


def test_the_pinball_loss_is_least_at_the_quantiles_of_a_sample() -> None:
    sample = torch.randn(20001, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    best = torch.quantile(sample, torch.tensor(LEVELS, dtype=torch.double))
    at_best = pinball_loss(best.expand(len(sample), -1), sample, LEVELS).mean()
    for shift in (-0.05, 0.05):
        beside = pinball_loss((best + shift).expand(len(sample), -1), sample, LEVELS).mean()
        assert beside > at_best


def test_paths_have_the_quantiles_that_they_were_made_of() -> None:
    quantiles = torch.tensor([[-1.0, 0.0, 0.5, 4.0], [2.0, 2.5, 2.5, 3.0]])
    paths = paths_of_quantiles(quantiles, LEVELS, 101).numpy()
    again = np.quantile(paths, LEVELS, axis=1).T
    assert again == pytest.approx(quantiles.numpy(), abs=1e-5)


def test_levels_that_do_not_rise_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"rising numbers between 0 and 1, got 0\.5 0\.1"):
        check_levels((0.5, 0.1))
