"""Recipes of forecasting: their splits, their settings, and the table that they make."""

import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ostinato.tasks.forecasting.settings import ForecastingSettings

Load = Callable[[str], ModuleType]


def test_weather_is_cut_seven_to_one_to_two(recipe: Load) -> None:
    split = recipe("long_horizons").split_of("Weather", 52696)
    assert split == (36887, 5270, 10539)
    assert sum(split) == 52696


def test_every_set_and_horizon_has_published_figures(recipe: Load) -> None:
    module = recipe("long_horizons")
    assert set(module.PUBLISHED) == set(itertools.product(module.SETS, module.HORIZONS))
    assert {len(pairs) for pairs in module.PUBLISHED.values()} == {len(module.MODELS)}


@pytest.mark.parametrize("name", ["ETTh1", "ETTh2", "Weather"])
def test_settings_of_long_horizons_are_settings_of_forecasting(recipe: Load, name: str) -> None:
    module = recipe("long_horizons")
    chosen = module.SETTINGS | module.OF_A_SET[name]
    fields = {option.replace("-", "_"): value for option, value in chosen.items()}
    split = module.split_of(name, 52696)
    made = ForecastingSettings(data=Path("a.csv"), horizon=96, split=split, **fields)
    assert (made.model, made.history, made.split) == ("segments", 96, split)


def test_settings_of_the_temperature_are_settings_of_forecasting(recipe: Load) -> None:
    made = ForecastingSettings(
        data=Path("a.csv"), horizon=24, **recipe("temperature_tomorrow").SETTINGS
    )
    assert made.model == "direct"


def test_every_sixth_row_of_weather_with_its_hour(recipe: Load, tmp_path: Path) -> None:
    module = recipe("temperature_tomorrow")
    header = ["date", *(f"{name}x" for name in module.COLUMNS), "OT"]
    rows = [
        ",".join([f"2020-01-01 {minute // 60:02d}:{minute % 60:02d}:00", *[str(minute)] * 6])
        for minute in range(0, 13 * 60, 10)
    ]
    source, table = tmp_path / "weather.csv", tmp_path / "hourly" / "hourly.csv"
    source.write_text("\n".join([",".join(header), *rows]))
    module.hourly(source, table)
    lines = table.read_text().splitlines()
    assert lines[0] == "temperature,Tdew (degC),p (mbar),rh (%),SWDR,sine,cosine"
    assert len(lines) == 1 + 13
    assert lines[7] == "360,360,360,360,360,1.00000,0.00000"


def test_errors_in_degrees_are_of_the_day_and_of_its_end(recipe: Load) -> None:
    forecast, truth = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 4.0], [0.0, 5.0]])
    found = recipe("temperature_tomorrow").errors(forecast, truth)
    assert found == {"mae": 1.5, "rmse": 1.871, "mae_after_24_hours": 1.5}


@pytest.mark.parametrize("name", ["Hourly", "Weekly"])
def test_settings_of_short_series_are_settings_of_forecasting(recipe: Load, name: str) -> None:
    module = recipe("short_series")
    chosen = module.SETTINGS | module.OF_A_SET[name]
    made = ForecastingSettings(data=Path("a.csv"), horizon=module.HORIZONS[name], **chosen)
    assert made.windowed
    assert made.test_fraction == 0.0


def test_short_series_are_judged_as_in_the_competition(recipe: Load) -> None:
    module = recipe("short_series")
    past = {"a": np.array([1.0, 3.0, 2.0]), "b": np.array([10.0, 20.0, 30.0])}
    future = {"a": np.array([2.0, 4.0]), "b": np.array([30.0, 30.0])}
    made = module.baselines(past, 2, 1, smoothing=False)
    assert made["last value"]["a"].tolist() == [2, 2]
    found = module.figures(made["last value"], past, future, 1)
    # Of a: sMAPE (0 + 200 2 / 6) / 2 and MASE 1 / 1.5; of b: 0.
    assert found == {"smape": round(100 / 6, 3), "mase": round(1 / 3, 3)}


def test_short_series_stand_one_below_the_other(recipe: Load, tmp_path: Path) -> None:
    table = tmp_path / "runs" / "long.csv"
    recipe("short_series").write_long({"a": np.array([1.5, 2.0]), "b": np.array([3.0])}, table)
    assert table.read_text().splitlines() == ["series,step,value", "a,0,1.5", "a,1,2", "b,0,3"]
