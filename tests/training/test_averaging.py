"""Averaged weights: when the averaging starts, and what the average is."""

import pytest
from torch import nn

from ostinato.training import Averaging


def test_averaging_starts_when_the_validation_is_no_longer_monotone() -> None:
    model = nn.Linear(1, 1, bias=False)
    averaging = Averaging(model, patience=2)
    for loss in (3.0, 2.0, 2.1, 2.2):
        averaging.validated(loss)
    assert averaging.means is None
    averaging.validated(2.3)
    assert averaging.means is not None


def test_the_average_is_the_mean_of_the_weights_since_the_trigger() -> None:
    model = nn.Linear(1, 1, bias=False)
    averaging = Averaging(model, patience=0)
    nn.init.constant_(model.weight, 1.0)
    averaging.validated(1.0)
    averaging.validated(2.0)
    for value in (2.0, 6.0):
        nn.init.constant_(model.weight, value)
        averaging.updated()
    with averaging.in_place():
        assert model.weight.item() == pytest.approx(3.0)
    assert model.weight.item() == 6.0
