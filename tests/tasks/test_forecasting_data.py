"""Only the training part is learned from; new values are scored as they come."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ostinato.errors import DataError
from ostinato.tasks.forecasting.data import ForecastData, read_again, read_data
from ostinato.tasks.forecasting.run import ForecastingRun
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.task import train

HEADER = "day,shop,size,v,open\n"
SMALL = {
    "series": "shop",
    "target": ("v",),
    "known": ("open",),
    "static": ("size",),
    "horizon": 5,
    "hidden_size": 8,
    "batch_size": 4,
    "history": 14,
    "samples": 40,
    "updates": 40,
    "validate_every": 40,
    "checkpoint_every": 40,
    "threads": 1,
    "device": "cpu",
}


def day(number: int) -> str:
    return str(np.datetime64("2024-01-01") + number)


def rows(first: int, last: int, changed: dict[int, float] | None = None) -> str:
    chance = np.random.default_rng(first)
    return "".join(
        f"{day(number)},{shop},{size},{(changed or {}).get(number, value)},{number % 2}\n"
        for shop, size in (("a", 10), ("b", 30))
        for number in range(first, last)
        for value in [size + 3 * math.sin(number / 7 * 2 * math.pi) + 0.3 * chance.normal()]
    )


def data_of(folder: Path, changed: dict[int, float] | None = None) -> ForecastData:
    path = folder / "shops.csv"
    path.write_text(HEADER + rows(0, 100, changed))
    return read_data(ForecastingSettings(data=path, **SMALL))


def test_changing_the_future_changes_nothing_that_is_known_before_it(tmp_path: Path) -> None:
    before = data_of(tmp_path)
    after = data_of(tmp_path, {number: 1e6 for number in range(70, 100)})
    settings = ForecastingSettings(data=tmp_path / "shops.csv", **SMALL)
    assert {part.train_end for part in before.parts.values()} == {70}
    assert repr(before.facts) == repr(after.facts)
    pairs = zip(before.prepared(settings).values(), after.prepared(settings).values(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one.values[:70], other.values[:70])
        np.testing.assert_array_equal(one.seen[:70], other.seen[:70])
        np.testing.assert_array_equal(one.covariates, other.covariates)
        assert not np.array_equal(one.values[70:], other.values[70:])


def test_scales_and_errors_are_of_the_training_part_alone(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    whole = data.series["a"].values[:70, 0].astype(np.float64)
    scaling = data.facts.scalings["a"]
    assert scaling.location[0] == pytest.approx(whole.mean(), rel=1e-6)
    assert scaling.scale[0] == pytest.approx(whole.std(), rel=1e-5)
    naive = np.abs(whole[7:] - whole[:-7]).mean() / whole.std()
    assert data.facts.naive_errors["a"] == pytest.approx([naive], rel=1e-5)
    assert data.facts.known_scaling.location.tolist() == [0.5]


def test_the_net_reads_calendar_known_and_static_columns_of_every_step(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    settings = ForecastingSettings(data=tmp_path / "shops.csv", **SMALL)
    prepared = data.prepared(settings)
    # Of the calendar the week alone: a day is a step, and 70 of them hold no year.
    assert data.facts.covariates == prepared["a"].covariates.shape[1] == 2 + 2 + 2
    assert prepared["a"].covariates[:, -2:].tolist() == [[-1, 1]] * 100
    assert prepared["b"].covariates[:, -2:].tolist() == [[1, 1]] * 100


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shops") / "shops.csv"
    future = "".join(f"{day(n)},{shop},,,{n % 2}\n" for shop in "ab" for n in range(160, 200))
    path.write_text(HEADER + rows(0, 160) + future)
    return path


@pytest.fixture(scope="module")
def run(shops: Path, tmp_path_factory: pytest.TempPathFactory) -> ForecastingRun:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run") / "shops"
    return train(ForecastingSettings(data=shops, run=folder, missing_decay=True, **SMALL))


def test_a_planted_anomaly_is_the_strangest_of_the_new_values(
    run: ForecastingRun, tmp_path: Path
) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + rows(160, 190, {175: -40.0}))
    forecasts, scores = run.append_scored(new)
    assert [one.series for one in forecasts] == ["a", "b"]
    assert len(scores) == 60
    by_tail = sorted(scores, key=lambda one: one.tail_probability)
    by_nats = sorted(scores, key=lambda one: -one.nats)
    assert {(one.series, one.time) for one in by_tail[:2]} == {("a", day(175)), ("b", day(175))}
    assert [one.value for one in by_tail[:2]] == pytest.approx([-40, -40], rel=1e-5)
    assert {one.series for one in by_nats[:2]} == {"a", "b"}
    assert {one.time for one in by_nats[:2]} == {day(175)}
    assert by_tail[1].tail_probability < 1e-6
    assert min(one.tail_probability for one in scores if one.time < day(175)) > 1e-4


def test_calibrated_quantiles_are_kept_with_the_run_and_told_by_the_backtest(
    run: ForecastingRun, shops: Path, tmp_path: Path
) -> None:
    figures = run.backtest(windows=6, calibrated=True, figures=tmp_path / "figures")
    assert figures["conformal"].keys() == {
        "coverage_before",
        "coverage",
        "width_before",
        "width",
    }
    assert figures["conformal"]["coverage"] == figures["coverage"]
    plain = run.backtest(windows=6)
    assert figures["conformal"]["coverage_before"] == pytest.approx(plain["coverage"])
    assert (run.folder / "conformal.json").is_file()
    assert {one.name for one in (tmp_path / "figures").iterdir()} == {
        "forecast.png",
        "by-step.png",
        "coverage.png",
    }
    plain = run.forecast(shops)
    calibrated = run.calibrated(plain)
    apart = calibrated[1].quantiles((0.1, 0.5, 0.9)) - plain[1].quantiles((0.1, 0.5, 0.9))
    shifts = run.shifts()["b"] * run.facts.scalings["b"].scale
    np.testing.assert_allclose(apart, shifts, atol=1e-9)


def test_a_new_series_and_another_size_are_refused(run: ForecastingRun, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + f"{day(195)},c,10,1,0\n")
    with pytest.raises(DataError, match="series 'c' was not in the table"):
        run.append(new)
    new.write_text(HEADER + f"{day(195)},a,11,1,0\n")
    with pytest.raises(DataError, match=r"row 2, column 'size': '11', but"):
        run.append(new)


def test_a_run_reads_its_table_by_its_own_facts(run: ForecastingRun, shops: Path) -> None:
    whole_years = replace(run.facts.grid, longest_turn_s=None)
    facts = replace(run.facts, grid=whole_years)
    data = read_again(run.settings, facts)
    assert data.facts is facts
    assert data.prepared(run.settings)["a"].covariates.shape[1] == 4 + 2 + 2


def test_a_column_that_came_later_is_not_looked_at(tmp_path: Path) -> None:
    first = ForecastingSettings(data=tmp_path / "few.csv", horizon=2)
    first.data.write_text("day,v\n" + "".join(f"{day(n)},{n % 5}\n" for n in range(20)))
    facts = read_data(first).facts
    first.data.write_text("day,w,v\n" + "".join(f"{day(n)},x,{n % 5}\n" for n in range(20)))
    assert read_again(first, facts).series[""].values.shape == (20, 1)


POINTS = {"loss": "absolute"}
SEGMENTS = {"model": "segments", "known": (), "static": ()}


@pytest.mark.parametrize(
    "changes",
    [{"model": "direct"}, SEGMENTS, {"model": "direct"} | POINTS],
    ids=["direct", "segments", "points"],
)
def test_windowed_models_score_new_values_by_what_they_forecast_one_step_before(
    shops: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    options = SMALL | {"loss": "quantile", "samples": 100} | changes
    run = train(ForecastingSettings(data=shops, run=tmp_path / "run", **options))
    expected = {one.series: one.mean[0, 0] for one in run.forecast()}
    new = tmp_path / "new.csv"
    new.write_text(HEADER + rows(160, 190, {175: -40.0}))
    forecasts, scores = run.append_scored(new)
    assert [one.series for one in forecasts] == ["a", "b"]
    assert len(scores) == 60
    first = {one.series: one.expected for one in scores if one.time == day(160)}
    assert first == pytest.approx(expected, rel=1e-5)
    # What is read next is strange, too: the net reads the value of a season before.
    least = [one for one in scores if one.time == day(175)]
    before = [one.tail_probability for one in scores if one.time < day(175)]
    assert max(one.tail_probability for one in least) <= min(before)
    assert all(math.isnan(one.nats) for one in scores) == ("loss" in changes)


def test_points_without_a_validation_part_have_no_scores_and_nothing_is_read(
    shops: Path, tmp_path: Path
) -> None:
    changes = {"model": "direct", "samples": 100, "updates": 1, "validation_fraction": 0.04}
    options = SMALL | POINTS | changes
    run = train(ForecastingSettings(data=shops, run=tmp_path / "run", **options))
    new = tmp_path / "new.csv"
    new.write_text(HEADER + rows(160, 162))
    with pytest.raises(DataError, match=r"need 19 values there, and there are 1?\d; train with"):
        run.append_scored(new)
    assert {one.end for one in run.live().values()} == {160}
