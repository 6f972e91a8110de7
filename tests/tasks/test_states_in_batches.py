"""States before many rows at once, against those read one row after the other."""

import numpy as np
import pytest
import torch

import ostinato
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.segment_forecaster import SegmentForecaster
from ostinato.models.windowed_forecaster import WindowSize
from ostinato.state import stack, tensors
from ostinato.tasks.forecasting.reading import Forecaster, states_before, states_in_batches


def a_series(covariates: int) -> PreparedSeries:
    chance = np.random.default_rng(0)
    seen = chance.random((40, 2)) > 0.2
    values = np.where(seen, chance.normal(size=(40, 2)), 0.0).astype(np.float32)
    return PreparedSeries(values, seen, chance.normal(size=(45, covariates)).astype(np.float32))


def windowed(covariates: int) -> Forecaster:
    return SegmentForecaster(ostinato.GRU(4, 4), WindowSize(8, 5, 2, covariates), 4).eval()


def autoregressive(covariates: int) -> Forecaster:
    layer = ostinato.GRU(input_size_for(2, covariates, decay=False), 4)
    return AutoregressiveForecaster(layer, 2, covariates, season=3).eval()


@pytest.mark.parametrize("make", [windowed, autoregressive])
@pytest.mark.parametrize("covariates", [0, 3])
def test_states_of_batches_are_those_of_rows_read_in_turn(make, covariates: int) -> None:
    torch.manual_seed(0)
    model, series = make(covariates), a_series(covariates)
    origins = np.array([1, 3, 8, 9, 20, 39, 40])
    found = list(states_in_batches(model, series, origins, 3))
    assert [rows.tolist() for rows, _ in found] == [[1, 3, 8], [9, 20], [39, 40]]
    expected = stack(list(states_before(model, series, origins)))
    together = stack([state for _, state in found])
    for one, other in zip(tensors(together), tensors(expected), strict=True):
        torch.testing.assert_close(one, other)


def test_no_rows_have_no_states() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert list(states_in_batches(windowed(0), a_series(0), nothing, 3)) == []
