"""Forecasters at the command line: train, forecast, append, backtest, go on; what is refused."""

import csv
import io
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from ostinato.checkpoint import load_checkpoint
from ostinato.cli.main import main
from ostinato.errors import DataError, SettingsError
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.forecasting.task import load_forecaster, resume, train
from ostinato.training import Observer

HEADER = "t,v,w,open\n"
SMALL = {
    "target": ("v", "w"),
    "known": ("open",),
    "horizon": 3,
    "hidden_size": 6,
    "batch_size": 4,
    "history": 8,
    "season": 4,
    "samples": 20,
    "updates": 12,
    "validate_every": 6,
    "checkpoint_every": 6,
    "threads": 1,
    "device": "cpu",
}


def rows(first: int, last: int, *, empty: bool = False) -> str:
    return "".join(
        f"{step},{'' if empty else 100 + math.sin(step)},{'' if empty else step % 4},{step % 2}\n"
        for step in range(first, last)
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "shop.csv"
    path.write_text(HEADER + rows(0, 80) + rows(80, 90, empty=True))
    return path


def settings(table: Path, folder: Path, **changes) -> ForecastingSettings:
    return ForecastingSettings(data=table, time="t", run=folder, **(SMALL | changes))


@pytest.fixture(scope="module")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return train(settings(table, tmp_path_factory.mktemp("run") / "shop")).folder


@pytest.fixture
def run(trained: Path, table: Path, tmp_path: Path) -> Path:
    """A run that may be appended to."""
    return train(settings(table, tmp_path / "own")).folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    name = (folder / "checkpoints" / "last").read_text().strip()
    return load_checkpoint(folder / "checkpoints" / name).tensors["model"]


def test_a_forecast_is_a_long_table_in_the_units_of_the_data(trained: Path, capsys) -> None:
    found = list(csv.DictReader(printed(capsys, "forecast", str(trained)).splitlines()))
    assert list(found[0]) == ["series", "time", "target", "mean", "q0.1", "q0.5", "q0.9"]
    assert [row["time"] for row in found] == ["80", "80", "81", "81", "82", "82"]
    assert all(90 < float(row["mean"]) < 110 for row in found if row["target"] == "v")


def test_appending_row_by_row_is_reading_the_whole(run: Path, tmp_path: Path, capsys) -> None:
    whole = tmp_path / "whole.csv"
    whole.write_text(HEADER + rows(0, 83) + rows(83, 90, empty=True))
    new = tmp_path / "new.csv"
    for step in range(80, 83):
        new.write_text(HEADER + rows(step, step + 1))
        appended = printed(capsys, "append", str(run), str(new))
    assert printed(capsys, "forecast", str(run)) == appended
    together = printed(capsys, "forecast", str(run), "--data", str(whole))
    pairs = zip(
        csv.DictReader(appended.splitlines()), csv.DictReader(together.splitlines()), strict=True
    )
    assert [(one["time"], pytest.approx(float(one["mean"]), rel=1e-4)) for one, _ in pairs] == [
        (row["time"], float(row["mean"])) for row in csv.DictReader(together.splitlines())
    ]


def test_rows_that_were_read_already_are_refused(run: Path, tmp_path: Path, capsys) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + rows(79, 80))
    assert main(["append", str(run), str(new)]) == 2
    assert "repeats the time stamp of the last row read, 79; give the rows after it alone" in (
        capsys.readouterr().err
    )


def test_a_forecast_without_its_known_columns_is_refused(
    trained: Path, tmp_path: Path, capsys
) -> None:
    short = tmp_path / "short.csv"
    short.write_text(HEADER + rows(0, 80) + rows(80, 82, empty=True))
    assert main(["forecast", str(trained), "--data", str(short)]) == 2
    told = capsys.readouterr().err
    assert "needs 'open' of the 3 steps to come, and 1 are missing, the first at 82" in told


def test_a_table_of_the_future_says_what_is_known_of_it(
    trained: Path, tmp_path: Path, capsys
) -> None:
    short, future = tmp_path / "short.csv", tmp_path / "future.csv"
    short.write_text(HEADER + rows(0, 80))
    future.write_text("t,open\n" + "".join(f"{step},{step % 2}\n" for step in range(79, 84)))
    told = printed(capsys, "forecast", str(trained), "--data", str(short), "--future", str(future))
    assert told == printed(capsys, "forecast", str(trained))


def test_a_backtest_tells_of_the_run_and_of_each_baseline(trained: Path, capsys) -> None:
    figures = json.loads(printed(capsys, "backtest", str(trained), "--windows", "5", "--json"))
    names = {"mse", "mae", "mase", "smape", "crps", "coverage"}
    assert names <= figures.keys()
    assert figures["last_value"].keys() == figures["seasonal_naive"].keys() == names
    assert figures["windows"] == 5
    told = printed(capsys, "backtest", str(trained))
    assert "seasonal naive" in told
    assert "between the quantiles 0.1 and 0.9, which promise 80.0%" in told.replace("\n", " ")


def test_a_backtest_says_which_series_it_does_not_judge(tmp_path: Path, capsys) -> None:
    path = tmp_path / "shops.csv"
    days = [f"2024-01-{day:02d}" for day in range(1, 31)]
    lines = [
        f"{name},{one},{len(one)}\n" for name, end in (("a", 30), ("b", 20)) for one in days[:end]
    ]
    path.write_text("shop,day,v\n" + "".join(lines))
    changes = {"target": (), "known": (), "series": "shop", "updates": 1, "horizon": 2}
    own = settings(path, tmp_path / "run", **changes | {"validate_every": 1, "checkpoint_every": 1})
    folder = train(own.model_copy(update={"time": ("day",)})).folder
    assert json.loads(printed(capsys, "backtest", str(folder), "--json"))["windows"] == 5
    main(["backtest", str(folder)])
    assert "1 of 2 series are not judged, as 'b': their test part" in capsys.readouterr().err


def test_a_row_after_a_long_gap_is_appended_and_one_of_another_decade_is_not(
    run: Path, tmp_path: Path, capsys
) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + rows(100_000, 100_001))
    assert main(["append", str(run), str(new)]) == 2
    assert "1 rows over 99,921 steps, up to 100000; are the time" in capsys.readouterr().err
    new.write_text(HEADER + rows(2000, 2001) + rows(2001, 2005, empty=True))
    assert printed(capsys, "append", str(run), str(new)).splitlines()[1].startswith(",2001,v,")


def test_the_first_look_at_the_validation_part_is_told_of(
    validated: Path, tmp_path: Path, capsys
) -> None:
    run = shutil.copytree(validated, tmp_path / "own")
    (run / "conformal.json").unlink(missing_ok=True)
    for told in (True, False):
        assert main(["forecast", str(run)]) == 0
        assert ("evaluating: " in capsys.readouterr().err) == told


def test_the_first_scores_of_points_tell_of_the_look_they_take(
    table: Path, tmp_path: Path, capsys
) -> None:
    own = {"model": "direct", "loss": "squared", "samples": 100, "updates": 2}
    fractions = {"validation_fraction": 0.3, "validate_every": 2, "checkpoint_every": 2}
    run = train(settings(table, tmp_path / "run", **own | fractions)).folder
    new = tmp_path / "new.csv"
    for step in (80, 81):
        new.write_text(HEADER + rows(step, step + 1))
        scores = ["--scores", str(tmp_path / "scores.csv"), "--uncalibrated"]
        assert main(["append", str(run), str(new), *scores]) == 0
        assert ("evaluating: " in capsys.readouterr().err) == (step == 80)


def columns_of(told: str, *names: str) -> list[list[float]]:
    found = list(csv.DictReader(told.splitlines()))
    return [[float(row[name]) for row in found] for name in names]


@pytest.fixture(scope="module")
def validated(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose validation part is long enough to calibrate on."""
    folder = tmp_path_factory.mktemp("validated") / "shop"
    return train(settings(table, folder, validation_fraction=0.2)).folder


def test_calibrated_quantiles_are_those_of_the_run_shifted_and_the_mean_stays(
    validated: Path, capsys
) -> None:
    names = ("mean", "q0.1", "q0.5", "q0.9")
    plain = columns_of(printed(capsys, "forecast", str(validated), "--uncalibrated"), *names)
    calibrated = columns_of(printed(capsys, "forecast", str(validated)), *names)
    run = load_forecaster(validated, device="cpu")
    shifts = run.shifts()[""] * run.facts.scalings[""].scale
    assert calibrated[0] == plain[0]
    moved = [
        [one + shift for one, shift in zip(*pair, strict=True)]
        for pair in zip(plain[1:], shifts.reshape(3, -1), strict=True)
    ]
    expected = list(zip(*map(sorted, zip(*moved, strict=True)), strict=True))
    for own, wanted in zip(calibrated[1:], expected, strict=True):
        assert own == pytest.approx(wanted, rel=1e-5)


def test_appended_rows_are_forecast_with_calibrated_quantiles_too(
    validated: Path, tmp_path: Path, capsys
) -> None:
    run, new = shutil.copytree(validated, tmp_path / "own"), tmp_path / "new.csv"
    (run / "conformal.json").unlink(missing_ok=True)
    new.write_text(HEADER + rows(80, 82))
    appended = printed(capsys, "append", str(run), str(new))
    assert (run / "conformal.json").is_file()
    assert appended == printed(capsys, "forecast", str(run))
    assert appended != printed(capsys, "forecast", str(run), "--uncalibrated")


def test_where_there_is_too_little_to_calibrate_on_it_is_said_and_the_quantiles_stay(
    trained: Path, capsys
) -> None:
    assert main(["forecast", str(trained), "--uncalibrated"]) == 0
    plain = capsys.readouterr()
    assert plain.err == ""
    for _ in range(2):  # computed, then read from the run's folder
        assert main(["forecast", str(trained)]) == 0
        told = capsys.readouterr()
        assert told.out == plain.out
        assert "are not calibrated" in told.err
        assert "needs 9 values of the validation part" in told.err


def test_a_forecast_goes_to_a_file_whose_folder_is_made(
    trained: Path, tmp_path: Path, capsys
) -> None:
    file = tmp_path / "new" / "forecast.csv"
    assert printed(capsys, "forecast", str(trained), "--output", str(file)) == ""
    assert file.read_text() == printed(capsys, "forecast", str(trained))
    assert [one.name for one in file.parent.iterdir()] == ["forecast.csv"]


def test_rows_of_standard_input_are_those_of_a_file(
    run: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin, new = shutil.copytree(run, tmp_path / "twin"), tmp_path / "new.csv"
    new.write_text(HEADER + rows(80, 82))
    content = io.BytesIO(new.read_bytes().replace(b"t,v", b"\xef\xbb\xbft,v"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(content))
    piped = printed(capsys, "append", str(run), "-")
    assert piped == printed(capsys, "append", str(twin), str(new))


def test_standard_input_that_is_no_text_is_refused(
    trained: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"t,v,w,open\n\x80\n")))
    assert main(["append", str(trained), "-"]) == 2
    assert "standard input is no UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 70}, "the part to train on has 56 steps, too few to learn a horizon of 70"),
        ({"horizon": 70, "model": "direct", "samples": 100}, "too few to learn a horizon of 70"),
    ],
)
def test_a_horizon_that_training_cannot_hold_is_refused(
    table: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        train(settings(table, tmp_path / "long", **changes))
    assert not (tmp_path / "long").exists()


def test_a_test_part_that_holds_no_horizon_is_told_when_training_begins(
    table: Path, tmp_path: Path, capsys
) -> None:
    words = ["--data", str(table), "--time", "t", "--target", "v", "--horizon", "20"]
    small = ["--updates", "1", "--hidden-size", "4", "--samples", "4", "--threads", "1"]
    assert main(["train", "forecasting", *words, *small, "--run", str(tmp_path / "run")]) == 0
    assert "test on has 16 steps, fewer than the horizon of 20" in capsys.readouterr().err


def test_pictures_are_drawn(trained: Path, tmp_path: Path, capsys) -> None:
    fan, beside = tmp_path / "fan.png", tmp_path / "beside.png"
    printed(capsys, "forecast", str(trained), "--figure", str(fan))
    printed(capsys, "backtest", str(trained), "--windows", "2", "--figure", str(beside))
    assert fan.read_bytes()[:4] == beside.read_bytes()[:4] == b"\x89PNG"


def test_a_resumed_run_ends_with_the_same_bits(trained: Path, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    train(settings(table, folder, updates=6))
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("updates = 6", "updates = 12"))
    resumed = resume(folder)
    whole, again = weights(trained), weights(folder)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert load_forecaster(trained, device="cpu").forecast()[0].mean.tolist() == (
        resumed.forecast()[0].mean.tolist()
    )


def test_what_was_appended_outlives_a_resume_that_changes_nothing(
    run: Path, tmp_path: Path, capsys
) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + rows(80, 82))
    appended = printed(capsys, "append", str(run), str(new))
    assert main(["resume", str(run)]) == 0
    assert printed(capsys, "forecast", str(run)).endswith(appended)
    config = run / "config.toml"
    config.write_text(config.read_text().replace("updates = 12", "updates = 18"))
    assert main(["resume", str(run)]) == 0
    told = capsys.readouterr().err
    assert "rows that were appended to the run before are to be appended again" in told
    assert printed(capsys, "forecast", str(run)).splitlines()[1].startswith(",80,v")
    config.write_text(config.read_text().replace("updates = 18", "updates = 24"))
    assert main(["resume", str(run)]) == 0
    assert "to be appended again" not in capsys.readouterr().err


def test_a_damaged_state_of_the_series_says_what_to_do(run: Path, capsys) -> None:
    (run / "live" / "manifest.json").write_text("x")
    assert main(["forecast", str(run)]) == 2
    assert "is damaged: delete it, and append the rows again" in capsys.readouterr().err


WINDOWED = {
    "segments": {"model": "segments", "loss": "quantile", "known": ()},
    "direct": {"model": "direct", "loss": "absolute", "normalisation": "reversible"},
}


@pytest.fixture(scope="module", params=sorted(WINDOWED))
def windowed(
    request: pytest.FixtureRequest, table: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("windowed") / request.param
    own = {"target": ("v", "w"), "samples": 100}
    return train(settings(table, folder, **(own | WINDOWED[request.param]))).folder


def test_windowed_models_read_row_by_row_as_the_whole(windowed: Path, tmp_path: Path) -> None:
    whole, new = tmp_path / "whole.csv", tmp_path / "new.csv"
    whole.write_text(HEADER + rows(0, 83) + rows(83, 90, empty=True))
    run = load_forecaster(shutil.copytree(windowed, tmp_path / "own"), device="cpu")
    for step in range(80, 83):
        new.write_text(HEADER + rows(step, step + 1))
        (appended,) = run.append(new)
    (together,) = run.forecast(whole)
    assert appended.times == together.times == ["83", "84", "85"]
    assert appended.mean == pytest.approx(together.mean, rel=1e-5)


def test_every_window_of_the_test_part_is_judged_as_the_forecasts_themselves_are(
    windowed: Path, table: Path, tmp_path: Path, capsys
) -> None:
    found = json.loads(printed(capsys, "backtest", str(windowed), "--every-window", "--json"))
    run = load_forecaster(windowed, device="cpu")
    scaling = run.facts.scalings[""]
    squares = []
    for row in range(64, 78):
        history = tmp_path / f"{row}.csv"
        history.write_text(HEADER + rows(0, row) + rows(row, row + 3, empty=True))
        came = [[100 + math.sin(step), step % 4] for step in range(row, row + 3)]
        (forecast,) = run.forecast(history)
        squares.append((((forecast.mean - came) / scaling.scale) ** 2).mean())
    assert found["windows"] == 16 - 3 + 1 == len(squares)
    assert found["mse"] == pytest.approx(sum(squares) / len(squares), rel=1e-4)
    assert found["last_value"]["mse"] > 0
    assert "all 14 windows" in printed(capsys, "backtest", str(windowed), "--every-window")


def test_a_point_has_no_quantiles_and_no_coverage(table: Path, tmp_path: Path, capsys) -> None:
    changes = {"model": "direct", "loss": "squared", "samples": 100, "updates": 2}
    folder = train(settings(table, tmp_path / "points", **changes)).folder
    first = printed(capsys, "forecast", str(folder)).splitlines()[1]
    assert first.endswith(",,,")
    figures = json.loads(printed(capsys, "backtest", str(folder), "--json"))
    assert figures["coverage"] is None
    assert figures["crps"] == pytest.approx(figures["mae"])


def test_a_windowed_run_resumes_with_the_same_bits(table: Path, tmp_path: Path) -> None:
    own = {"model": "segments", "known": (), "samples": 100, "dropout": 0.3}
    whole = train(settings(table, tmp_path / "whole", **own)).folder
    half = train(settings(table, tmp_path / "half", updates=6, **own)).folder
    config = half / "config.toml"
    config.write_text(config.read_text().replace("updates = 6", "updates = 12"))
    resume(half)
    assert all(torch.equal(part, weights(half)[name]) for name, part in weights(whole).items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "segments"}, "segments reads no known columns; direct does"),
        ({"model": "direct", "samples": 20}, "samples is for the model autoregressive"),
        ({"loss": "squared"}, "loss is for segments and direct, not for autoregressive"),
        ({"segment": 3}, "segment is for the model segments"),
        ({"normalisation": "reversible"}, "has none: last or none"),
        ({"model": "segments", "known": (), "hidden_size": 5}, "hidden_size must be even"),
        ({"split": (40, 20, 20), "test_fraction": 0.3}, "test_fraction is for a training without"),
    ],
)
def test_options_that_would_be_ignored_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        ForecastingSettings(**({"data": "a.csv", "horizon": 3, "known": ("open",)} | changes))
    assert message in str(refusal.value)


def test_counts_are_forecast_as_counts_and_nothing_else_is_taken_for_one(
    table: Path, tmp_path: Path, capsys
) -> None:
    counts = {"target": ("w",), "distribution": "negative-binomial"}
    (forecast,) = train(settings(table, tmp_path / "counts", **counts)).forecast()
    assert (forecast.paths == forecast.paths.round()).all()
    assert forecast.paths.min() >= 0
    words = ["--target", "v", "--horizon", "3", "--distribution", "negative-binomial"]
    assert main(["train", "forecasting", "--data", str(table), *words]) == 2
    assert "column 'v': 100.841 is no count" in capsys.readouterr().err


def test_the_best_weights_are_those_of_the_least_error_over_the_horizon(trained: Path) -> None:
    lines = (trained / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    scores = {one["update"]: one["validation"]["crps"] for one in records if "validation" in one}
    best = (trained / "checkpoints" / "best").read_text().strip()
    assert int(best.rsplit("-", 1)[1]) == min(scores, key=scores.get)


def test_a_forecaster_writes_no_text(trained: Path, capsys) -> None:
    assert main(["generate", str(trained), "--prompt", "a"]) == 2
    assert "holds a run of forecasting, not of text" in capsys.readouterr().err


def test_a_wrong_column_is_a_message_and_no_traceback(table: Path, capsys) -> None:
    wrong = ["--data", str(table), "--horizon", "3", "--target", "vv"]
    assert main(["train", "forecasting", *wrong]) == 2
    assert "no column 'vv' (--target)" in capsys.readouterr().err


class Notes(Observer):
    """Keeps what a person should know."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def noted(self, text: str) -> None:
        self.texts.append(text)


def test_a_target_that_counts_rows_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    lines = [f"{name},{step},{math.sin(step):.4f}\n" for name in "ab" for step in range(60)]
    path.write_text("name,step,value\n" + "".join(lines))
    notes = Notes()
    changes = {"target": (), "known": (), "series": "name", "updates": 1, "validate_every": 1}
    made = settings(path, tmp_path / "run", **changes | {"checkpoint_every": 1})
    train(made.model_copy(update={"time": ()}), notes)
    assert "2 targets (step, value)" in notes.texts[0]
    assert notes.texts[1].endswith("if it counts the time, --time step")


@pytest.mark.parametrize(("offset", "told"), [(1e3, False), (1e8, True), (1e12, True)])
def test_values_that_32_bits_cannot_tell_apart_are_told_of(
    tmp_path: Path, offset: float, told: bool
) -> None:
    path = tmp_path / "meter.csv"
    lines = (f"{offset + 5 * math.sin(step):.4f},0.1\n" for step in range(60))
    path.write_text("meter,constant\n" + "".join(lines))
    notes = Notes()
    changes = {"target": (), "known": (), "updates": 1, "validate_every": 1}
    made = settings(path, tmp_path / "run", **changes | {"checkpoint_every": 1})
    train(made.model_copy(update={"time": ()}), notes)
    assert any(one.startswith("meter: many values change by less") for one in notes.texts) == told


def test_a_column_of_words_is_refused_with_what_it_could_be(tmp_path: Path, capsys) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("V1,V2,V3\nH1,1,2\nH2,3,4\n")
    assert main(["train", "forecasting", "--data", str(path), "--horizon", "1"]) != 0
    told = capsys.readouterr().err
    assert "got 'H1'" in told
    assert "--target" in told
