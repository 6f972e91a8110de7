"""Many series read side by side, against each read by itself."""

import numpy as np
import pytest
import torch

import ostinato
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.segment_forecaster import SegmentForecaster
from ostinato.models.windowed_forecaster import WindowSize
from ostinato.state import tensors
from ostinato.tasks.forecasting import reading, side_by_side
from ostinato.tasks.forecasting.reading import Forecaster, MeanLoss, read_on
from ostinato.tasks.forecasting.side_by_side import Stretch, read_side_by_side

LENGTHS = (9, 3, 0, 40, 3, 17, 9)


def a_series(length: int, seed: int) -> PreparedSeries:
    chance = np.random.default_rng(seed)
    seen = chance.random((length, 2)) > 0.2
    values = np.where(seen, chance.normal(size=(length, 2)), 0.0).astype(np.float32)
    return PreparedSeries(values, seen, chance.normal(size=(length, 3)).astype(np.float32))


def windowed() -> Forecaster:
    torch.manual_seed(0)
    return SegmentForecaster(ostinato.GRU(4, 4), WindowSize(8, 5, 2, 3), 4).eval()


def autoregressive() -> AutoregressiveForecaster:
    torch.manual_seed(0)
    return AutoregressiveForecaster(
        ostinato.GRU(input_size_for(2, 3), 4), 2, 3, season=3, decay=False
    ).eval()


@pytest.fixture(params=[(256, 1 << 15, 2048), (3, 1 << 15, 5), (256, 12, 4)])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    together, steps, piece = request.param
    monkeypatch.setattr(side_by_side, "_MOST_TOGETHER", together)
    monkeypatch.setattr(side_by_side, "_STEPS_TOGETHER", steps)
    monkeypatch.setattr(side_by_side, "PIECE", piece)
    monkeypatch.setattr(reading, "PIECE", piece)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("make", [windowed, autoregressive])
def test_states_are_those_of_each_series_by_itself_from_where_it_stood(make) -> None:
    model, series = make(), [a_series(length + 6, seed) for seed, length in enumerate(LENGTHS)]
    before = [
        None if place % 2 else read_on(model, one, 0, 6, None) for place, one in enumerate(series)
    ]
    stretches = [
        Stretch(one, 6, 6 + length, state)
        for one, length, state in zip(series, LENGTHS, before, strict=True)
    ]
    found = read_side_by_side(model, stretches)
    for state, one in zip(found, stretches, strict=True):
        alone = read_on(model, one.series, one.start, one.stop, one.state)
        for part, other in zip(tensors(state), tensors(alone), strict=True):
            torch.testing.assert_close(part, other)


@pytest.mark.usefixtures("limits")
def test_what_is_heard_of_them_is_what_is_heard_of_each() -> None:
    model, series = autoregressive(), [a_series(n, n) for n in LENGTHS]
    together, alone = MeanLoss(model), MeanLoss(model)
    read_side_by_side(model, [Stretch(one, 0, len(one.values)) for one in series], together)
    for one in series:
        read_on(model, one, 0, len(one.values), None, alone)
    assert together.values == alone.values > 0
    assert together.nats == pytest.approx(alone.nats, rel=1e-5)


@pytest.mark.parametrize("make", [windowed, autoregressive])
def test_a_state_keeps_nothing_of_the_rows_before_it(make) -> None:
    model, sizes = make(), []
    for length in (20, 2000):
        states = [read_on(model, a_series(length, 0), 0, length, None)]
        states += read_side_by_side(model, [Stretch(a_series(length, 0), 0, length)])
        parts = [part for state in states for part in tensors(state)]
        sizes.append(sum(part.untyped_storage().nbytes() for part in parts))
    assert sizes[0] == sizes[1] > 0


def test_a_windowed_model_reads_no_rows_that_its_state_forgets() -> None:
    model, heard = windowed(), []
    values = a_series(100, 0)
    model.read = lambda values, *rest: heard.append(values.shape[1]) or rest[-1]
    read_on(model, values, 0, 100, None)
    assert heard == [8]
