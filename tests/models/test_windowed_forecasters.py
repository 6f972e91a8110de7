"""SegRNN by torch.nn with the same weights; windows in units of their own; what is kept of rows."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato.errors import SettingsError, ShapeError
from ostinato.models.direct_forecaster import DirectForecaster, direct_input_sizes
from ostinato.models.instance_normalisation import InstanceNormalisation
from ostinato.models.segment_forecaster import SegmentForecaster
from ostinato.models.windowed_forecaster import WindowedForecaster, WindowSize

SIZE = WindowSize(history=12, horizon=8, targets=3, covariates=2)
LEVELS = (0.1, 0.5, 0.8)
Window = tuple[Tensor, Tensor, Tensor, Tensor]


def segments(**options) -> SegmentForecaster:
    torch.manual_seed(0)
    segment = options.pop("segment", 4)
    size = options.pop("size", SIZE)
    return SegmentForecaster(ostinato.GRU(6, 6), size, segment, **options)


def direct(**options) -> DirectForecaster:
    torch.manual_seed(0)
    reads, writes = direct_input_sizes(SIZE)
    made = DirectForecaster(
        ostinato.LSTM(reads, 5), ostinato.LSTM(writes, 5), SIZE, season=4, **options
    )
    nn.init.normal_(made.output.weight)
    return made


BOTH = pytest.mark.parametrize("make", [segments, direct])
Make = Callable[..., WindowedForecaster]


@pytest.fixture
def window() -> Window:
    chance = torch.Generator().manual_seed(1)
    return (
        torch.randn(5, 12, 3, generator=chance),
        torch.rand(5, 12, 3, generator=chance) > 0.2,
        torch.randn(5, 12, 2, generator=chance),
        torch.randn(5, 8, 2, generator=chance),
    )


def test_segments_are_what_torch_gives_with_the_same_weights(window: Window) -> None:
    model = segments(loss="squared").eval()
    values = window[0]
    twin = nn.GRU(6, 6, batch_first=True)
    twin.load_state_dict(ostinato.layers.torch_state_dict(model.layer))
    expected = np.zeros((5, 8, 3), dtype=np.float32)
    for target in range(3):
        last = values[:, -1:, target]
        pieces = (values[:, :, target] - last).view(5, 3, 4)
        _, hidden = twin(torch.relu(model.embedding(pieces)))
        for place in range(2):
            mark = torch.cat([model.positions[place], model.channels[target]])
            read, _ = twin(mark.expand(5, 1, -1), hidden)
            written = model.output(read[:, 0]) + last
            expected[:, 4 * place : 4 * place + 4, target] = written.detach().numpy()
    everything = torch.ones_like(window[1])
    found = model(values, everything, *window[2:])[..., 0].detach().numpy()
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_history_and_horizon_that_are_no_multiples_are_whole_ones_cut(window: Window) -> None:
    size = SIZE._replace(history=10, horizon=7)
    model, whole = segments(size=size, segment=4).eval(), segments(segment=4).eval()
    whole.load_state_dict(model.state_dict())
    values, seen, covariates, ahead = window
    seen[:, :2] = False
    cut = model(values[:, 2:], seen[:, 2:], covariates[:, 2:], ahead[:, :7])
    torch.testing.assert_close(cut, whole(values, seen, covariates, ahead)[:, :7])


@BOTH
@pytest.mark.parametrize("normalisation", ["last", "reversible", "none"])
def test_quantiles_of_a_net_never_cross(make: Make, normalisation: str, window: Window) -> None:
    model = make(loss="quantile", levels=LEVELS, normalisation=normalisation)
    found = model(*window)
    assert found.shape == (5, 8, 3, 3)
    assert (found.diff(dim=-1) >= 0).all()


@BOTH
def test_what_is_missing_is_not_looked_at(make: Make, window: Window) -> None:
    model = make(loss="absolute").eval()
    values, seen, *rest = window
    other = torch.where(seen, values, 777.0)
    assert torch.equal(model(values, seen, *rest), model(other, seen, *rest))


@BOTH
@pytest.mark.parametrize(("normalisation", "scale"), [("last", 1.0), ("reversible", 3.0)])
def test_a_moved_window_moves_its_forecast_and_a_stretched_one_stretches_it(
    make: Make, normalisation: str, scale: float, window: Window
) -> None:
    model = make(loss="quantile", levels=LEVELS, normalisation=normalisation).double().eval()
    values, seen, covariates, ahead = (
        part.double() if part.is_floating_point() else part for part in window
    )
    before = model(values, seen, covariates, ahead)
    after = model(100 + scale * values, seen, covariates, ahead)
    torch.testing.assert_close(after, 100 + scale * before, rtol=1e-4, atol=1e-4)


def test_reversible_normalisation_is_its_equation_and_turns_back(window: Window) -> None:
    layer = InstanceNormalisation(3, "reversible")
    nn.init.constant_(layer.log_gain, 0.3)
    nn.init.constant_(layer.shift, -0.2)
    values, seen = window[0], window[1]
    normal, taken = layer(values, seen)
    column = values[2, :, 1][seen[2, :, 1]].numpy()
    expected = np.exp(0.3) * (column - column.mean()) / np.sqrt(column.var() + 1e-5) - 0.2
    assert normal[2, :, 1][seen[2, :, 1]].tolist() == pytest.approx(expected, abs=1e-5)
    back = layer.restore(normal.unsqueeze(3), taken)[..., 0]
    torch.testing.assert_close(back[seen], values[seen], rtol=1e-4, atol=1e-5)


@BOTH
def test_losses_are_of_what_was_seen_alone(make: Make, window: Window) -> None:
    model = make(loss="squared")
    outputs = model(*window)
    truth = torch.randn(5, 8, 3)
    seen = torch.rand(5, 8, 3) > 0.5
    expected = torch.where(seen, (outputs[..., 0] - truth) ** 2, 0.0)
    unknown = torch.where(seen, truth, torch.nan)
    torch.testing.assert_close(model.loss(outputs, unknown, seen), expected)


@BOTH
def test_reading_row_by_row_keeps_the_last_rows(make: Make) -> None:
    model = make(loss="quantile", levels=LEVELS).eval()
    values, seen = torch.randn(2, 17, 3), torch.rand(2, 17, 3) > 0.2
    covariates, ahead = torch.randn(2, 17, 2), torch.randn(2, 8, 2)
    state = model.initial_state(2)
    for row in range(17):
        here = slice(row, row + 1)
        state = model.read(values[:, here], seen[:, here], covariates[:, here], state)
    expected = model(values[:, -12:], seen[:, -12:], covariates[:, -12:], ahead)
    paths = model.paths(state, ahead, 7)
    assert paths.shape == (2, 101, 8, 3)
    torch.testing.assert_close(paths.median(1).values, expected[..., 1].detach())


def test_direct_reads_what_is_known_of_the_horizon_and_looks_a_season_back(window: Window) -> None:
    model = direct(loss="absolute", normalisation="none").eval()
    values, seen, covariates, ahead = window
    before = model(values, seen, covariates, ahead)
    later = ahead.clone()
    later[:, 5:] += 1
    after = model(values, seen, covariates, later)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])
    nn.init.zeros_(model.output.weight)
    halves = torch.where(seen, values, 0.0)[:, [8, 9, 10, 11] * 2] / 2
    torch.testing.assert_close(model(*window)[..., 0], halves)


def test_shapes_and_layers_that_do_not_fit_are_refused(window: Window) -> None:
    with pytest.raises(ShapeError, match=r"ahead \(batch, 8, 2\)"):
        segments()(*window[:3], window[3][:, 1:])
    with pytest.raises(SettingsError, match="both ways"):
        SegmentForecaster(ostinato.GRU(6, 6, bidirectional=True), SIZE, 4)
    with pytest.raises(SettingsError, match="8 and 9 features; they read 8 and 8"):
        DirectForecaster(ostinato.GRU(8, 5), ostinato.GRU(8, 5), SIZE)
    with pytest.raises(SettingsError, match="normalisation must be last"):
        segments(normalisation="first")


@BOTH
@pytest.mark.parametrize("loss", ["quantile", "absolute"])
def test_one_step_ahead_of_many_rows_is_the_first_step_of_a_forecast_before_each(
    make: Make, loss: str, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostinato.models.windowed_forecaster._WINDOWS_TOGETHER", 3)
    model = make(loss=loss, levels=LEVELS).eval()
    values, seen, covariates, ahead = window
    state = model.read(values, seen, covariates, model.initial_state(5))
    new, there = torch.randn(5, 8, 3), torch.rand(5, 8, 3) > 0.2
    found, after = model.one_step_ahead(new, there, ahead, state)
    for row in range(8):
        rows = slice(row, row + 1)
        later = torch.cat([ahead[:, row:], torch.randn(5, row, 2)], 1)
        whole = model(state.values, state.seen > 0, state.covariates, later)
        torch.testing.assert_close(found[:, row], whole[:, 0])
        state = model.read(new[:, rows], there[:, rows], ahead[:, rows], state)
    torch.testing.assert_close(after, state)
