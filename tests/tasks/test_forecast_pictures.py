"""What of a forecast is drawn."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from ostinato.data.forecasting.grid import Grid
from ostinato.tasks.forecasting import pictures
from ostinato.tasks.forecasting.series_forecast import SeriesForecast


@pytest.mark.parametrize(("horizon", "shown"), [(1, 100), (24, 240), (400, 2880)])
def test_the_history_of_a_short_forecast_leaves_it_room(
    horizon: int, shown: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Mock()
    monkeypatch.setattr(pictures, "draw_forecasts", draw)
    history, grid = np.arange(2880.0, dtype=np.float32)[:, None], Grid(0, 60, dated=True)
    times = [grid.label(2880 + step) for step in range(horizon)]
    one = SeriesForecast("", 2880, times, ("load",), np.zeros((3, horizon, 1)), history)
    pictures.draw([one], (0.1, 0.5, 0.9), tmp_path / "out.png", grid)
    (fan,) = draw.call_args.args[0]
    np.testing.assert_array_equal(fan.history, np.arange(2880 - shown, 2880))
    assert fan.label(0) == grid.label(2879)
    assert all(-shown < tick <= horizon for tick in fan.ticks)
