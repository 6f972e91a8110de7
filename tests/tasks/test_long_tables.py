"""A table on disk trains, goes on, forecasts and is judged as the same table in memory."""

import math
import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ostinato.data import rows_on_disk
from ostinato.data.forecasting import long_rows
from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.long_rows import ComputedRows
from ostinato.data.forecasting.series import first_grid, to_series
from ostinato.data.forecasting.table import read_table
from ostinato.data.rows_on_disk import RowsOnDisk
from ostinato.data.scattered_rows import filled_rows, put, take
from ostinato.data.shuffled import Shuffled
from ostinato.tasks.forecasting.task import read_data, resume, train_forecasting

KNOWN = {"series": "shop", "known": ("open",), "static": ("kind",)}
QUICK = {"hidden_size": 6, "batch_size": 4, "threads": 1, "device": "cpu"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def on_disk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)


def table(path: Path) -> Path:
    """Two shops in turns, one of which begins later; gaps, a missing hour, rows to come."""
    chance, rows = random.Random(0), []
    for hour in range(150):
        time = f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00"
        for shop in "ab" if hour > 9 else "a":
            if hour == 30:
                continue
            wave = 5 + math.sin(hour / 4) + chance.random()
            cells = [f"{wave:.3f}" if chance.random() > 0.1 else "", f"{2 * wave:.2f}"]
            if hour >= 144:
                cells = ["", ""]
            rows.append(",".join([time, shop, *cells, str(hour % 3), f"kind {shop}"]))
    path.write_text("\n".join(["time,shop,x,y,open,kind", *rows, ""]))
    return path


def of_run(folder: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All that a run gives: weights, forecasts and figures; stopped on the way and gone on with."""
    run = train_forecasting(horizon=6, run=folder, updates=5, **options, **QUICK)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("updates = 5", "updates = 9"))
    run = resume(folder)
    (forecast, _) = run.forecast()
    return {
        "weights": {name: one.clone() for name, one in run.network.state_dict().items()},
        "paths": forecast.paths,
        "backtest": run.backtest(windows=5, calibrated=True, figures=folder / "figures"),
        "every window": run.judge_every_window(),
    }


@pytest.mark.parametrize(
    "options",
    [KNOWN | {"missing_decay": True, "samples": 10}, KNOWN | {"model": "direct", "history": 12}],
    ids=["autoregressive", "direct"],
)
def test_a_table_on_disk_gives_what_it_gives_in_memory(
    options: dict[str, Any], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"data": table(tmp_path / "t.csv"), **options}
    # Small pieces, so that sums go over several of them.
    monkeypatch.setattr(long_rows, "_PIECE_NUMBERS", 64)
    inside = of_run(tmp_path / "inside", options, monkeypatch)
    with monkeypatch.context() as patch:
        on_disk(patch)
        outside = of_run(tmp_path / "outside", options, monkeypatch)
        data = read_data(resume(tmp_path / "outside").settings)
        assert isinstance(data.series["a"].values, ComputedRows)
    for name, weights in inside.pop("weights").items():
        assert torch.equal(outside["weights"][name], weights)
    np.testing.assert_array_equal(outside["paths"], inside.pop("paths"))
    for name, figures in inside.items():
        np.testing.assert_equal(outside[name], figures)


@pytest.mark.parametrize("combine", [None, "mean", "sum", "last"])
def test_a_table_lies_on_its_grid_wherever_it_is_kept(
    combine: Any, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = Columns("time", ("x", "y"), "shop", ("open",))
    path, frequency = table(tmp_path / "t.csv"), "1h" if combine is None else "5h"

    def series() -> dict[str, Any]:
        read = read_table(path, columns)
        return to_series(read, first_grid(read, frequency, combine))

    inside = series()
    on_disk(monkeypatch)
    for name, one in series().items():
        assert isinstance(one.values, ComputedRows)
        assert (one.start, one.values.shape) == (inside[name].start, inside[name].values.shape)
        np.testing.assert_array_equal(one.values[:], inside[name].values)
        np.testing.assert_array_equal(one.known[-9:], inside[name].known[-9:])
        assert len(one.known[7:3]) == 0


@pytest.mark.parametrize("known", [(), ("open",)])
def test_columns_cut_from_disk_keep_no_others_in_memory(
    known: tuple[str, ...], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk(monkeypatch)
    read = read_table(table(tmp_path / "t.csv"), Columns("time", ("x", "y"), "shop", known))
    one = to_series(read, first_grid(read, "1h"))["a"]
    for rows in (one.values, one.known):
        tracemalloc.start()
        kept = [rows[:100] for _ in range(100)]
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < sum(cut.nbytes + 200 for cut in kept)


def test_rows_are_written_and_read_in_any_order(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk(monkeypatch)
    rows = filled_rows((300_000, 2), np.float32, np.nan)
    assert isinstance(rows, RowsOnDisk)
    places = np.array([299_999, 4, 3, 8])
    put(rows, places, np.arange(8).reshape(4, 2))
    expected = [[4, 5], [2, 3], [6, 7], [0, 1]]
    assert take(rows, np.sort(places)).tolist() == expected
    assert np.isnan(rows[:]).sum() == 2 * (300_000 - 4)


@pytest.mark.parametrize("listed", [0, 100])
@pytest.mark.parametrize("count", [1, 2, 5, 64, 99])
def test_a_shuffled_order_has_every_number_once(
    listed: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostinato.data.shuffled._LISTED", listed)
    order = Shuffled(count, (0, 1))
    found = np.concatenate([order[first : first + 10] for first in range(0, count, 10)])
    assert sorted(found.tolist()) == list(range(count))
    assert count < 64 or found.tolist() != sorted(found.tolist())
    assert count < 64 or found.tolist() != Shuffled(count, (0, 2))[:].tolist()


def test_a_long_shuffled_order_is_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostinato.data.shuffled._LISTED", 0)
    order = Shuffled(100_000, (3,))[:]
    assert len(np.unique(order)) == 100_000
    assert abs(np.corrcoef(np.arange(100_000), order)[0, 1]) < 0.02
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.02
    # Every tenth of the places holds about a tenth of the least numbers.
    shares = (order.reshape(10, -1) < 10_000).mean(1)
    assert np.abs(shares - 0.1).max() < 0.015
