"""`ostinato train forecasting`, `forecast`, `append` and `backtest`; `resume` and `evaluate`."""

import csv
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import Field

from ostinato.cli.evaluate import EvaluateArguments, print_json
from ostinato.cli.parsing import RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tables import empty_table, print_table
from ostinato.cli.tasks_of_runs import refuse_options
from ostinato.cli.train import ResumeArguments
from ostinato.cli.trainings import print_best, print_places, settings_of_seeds
from ostinato.errors import SettingsError
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.tasks.forecasting.run import SeriesForecast
    from ostinato.tasks.forecasting.task import ForecastingRun

RowsFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
_BASELINES = {"last_value": "last value", "seasonal_naive": "seasonal naive"}
_WINDOWS = 50


class TrainForecastingArguments(ForecastingSettings):
    """The settings of a forecaster, and where to take them from."""

    config: Path | None = Field(
        None, description="TOML file of settings, by their names; options here override it."
    )

    def settings(self) -> ForecastingSettings:
        """The settings alone."""
        names = ForecastingSettings.model_fields
        return ForecastingSettings(**{name: getattr(self, name) for name in names})


class ForecastOutput(CheckedModel):
    """Where a forecast goes."""

    figure: Path | None = Field(
        None, description="PNG file of history and forecast fan. None: no picture."
    )
    output: Path | None = Field(
        None, description="CSV file to write the forecast to. None: standard output."
    )
    seed: int = Field(0, ge=0, description="The same seed draws the same paths.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute. auto: the GPU if there is one."
    )


class ForecastArguments(ForecastOutput):
    """A run, and what to forecast after."""

    run: RunFolder = Field(description="Folder of the run.")
    data: Path | None = Field(
        None,
        description="Another table with the same columns, to forecast after its last rows. None: "
        "the run's own, with all that was appended.",
    )
    future: Path | None = Field(
        None,
        description="Table of the steps to come with the time, series and known columns. None: "
        "the other tables have them, in rows whose targets are empty.",
    )


class AppendArguments(ForecastOutput):
    """A run, and new rows."""

    run: RunFolder = Field(description="Folder of the run.")
    rows: RowsFile = Field(
        description="New rows below a header with the run's columns; - for standard input."
    )


class BacktestArguments(CheckedModel):
    """A run, and how often to forecast."""

    run: RunFolder = Field(description="Folder of the run.")
    windows: int = Field(
        _WINDOWS, gt=0, description="Forecasts of each series, spread over its test part."
    )
    every_window: Annotated[bool, tyro.conf.FlagCreatePairsOff] = Field(
        False,
        description="Instead: MSE and MAE from every row of the test part, as published tables "
        "have them.",
    )
    figure: Path | None = Field(
        None, description="PNG file of the last forecast beside what came. None: no picture."
    )
    json_line: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = Field(
        False, description="Print one line of JSON and nothing else on standard output."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute. auto: the GPU if there is one."
    )


def train_forecasting(arguments: list[str]) -> None:
    """Train one forecaster and tell what came of it."""
    options = parse(
        TrainForecastingArguments,
        arguments,
        command="train forecasting",
        description="Train a forecaster on the series of a table.",
        default=defaults_from_config(TrainForecastingArguments, ForecastingSettings, arguments),
    )
    settings = options.settings()
    if settings.seeds > 1:
        for own in settings_of_seeds(settings):
            _report(_train_one(own))
    else:
        _report(_train_one(settings))


def forecast(arguments: list[str]) -> None:
    """Print the steps to come."""
    options = parse(
        ForecastArguments,
        arguments,
        command="forecast",
        description="Forecast the steps after the last row: a CSV table of series, time, target, "
        "mean and quantiles, a row a value.",
    )
    _refuse_figure(options.figure)
    run = _load(options.run, options.device)
    _tell(run, run.forecast(options.data, future=options.future, seed=options.seed), options)


def append(arguments: list[str]) -> None:
    """Read new rows, and print the steps to come."""
    options = parse(
        AppendArguments,
        arguments,
        command="append",
        description="Read new rows and forecast again; only the new rows are computed, and later "
        "calls go on from there.",
    )
    _refuse_figure(options.figure)
    run = _load(options.run, options.device)
    _tell(run, run.append(options.rows, seed=options.seed), options)


def backtest(arguments: list[str]) -> None:
    """Print how good forecasts of the test part are, beside the baselines."""
    options = parse(
        BacktestArguments,
        arguments,
        command="backtest",
        description="Forecast from places of the test part and compare with what came, beside the "
        "last value and the seasonal naive forecast.",
    )
    _refuse_figure(options.figure)
    if options.every_window:
        if options.figure is not None or options.windows != _WINDOWS:
            raise SettingsError("--every-window takes all windows and draws none of them")
        _judge_every_window(options.run, options.device, options.json_line)
    else:
        _judge(options.run, options.device, options.windows, options.figure, options.json_line)


def resume_forecasting(options: ResumeArguments) -> None:
    """Go on with a forecaster."""
    refuse_options(options, "forecasting", "cell")
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.forecasting import task as forecasting
    from ostinato.tasks.forecasting.folder import settings_of

    with watch_run(settings_of(options.run).unit) as observer:
        run = forecasting.resume(
            options.run,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def evaluate_forecasting(options: EvaluateArguments) -> None:
    """The same as `backtest`."""
    refuse_options(options, "forecasting", "cell", "part", "data")
    _judge(options.run, options.device, _WINDOWS, None, options.json_line)


def _judge(run: Path, device: str, windows: int, figure: Path | None, json_line: bool) -> None:
    from ostinato.cli.progress import watch_run

    with watch_run("value") as observer:
        figures = _load(run, device).backtest(windows=windows, figure=figure, observer=observer)
    if json_line:
        print_json(figures)
    else:
        _print_figures(figures)
    if figure is not None:
        print(f"picture: {figure}", file=sys.stderr)


def _judge_every_window(run: Path, device: str, json_line: bool) -> None:
    from ostinato.cli.progress import watch_run

    with watch_run("value") as observer:
        figures = _load(run, device).judge_every_window(observer=observer)
    if json_line:
        print_json(figures)
        return
    table = empty_table("forecast", "MSE", "MAE")
    named = {"this run": figures} | {words: figures[name] for name, words in _BASELINES.items()}
    for words, own in named.items():
        table.add_row(words, f"{own['mse']:.4f}", f"{own['mae']:.4f}")
    print_table(table)
    print(
        f"all {figures['windows']:,} windows of {figures['horizon']} steps in the test part; of "
        "values standardised on the training part"
    )


def _print_figures(figures: dict[str, Any]) -> None:
    table = empty_table("forecast", "MSE", "MAE", "MASE", "CRPS", "coverage")
    named = {"this run": figures} | {words: figures[name] for name, words in _BASELINES.items()}
    for words, own in named.items():
        cells = [own[name] for name in ("mse", "mae", "mase", "crps")]
        share = "-" if own["coverage"] is None else f"{own['coverage']:.1%}"
        table.add_row(words, *("-" if one is None else f"{one:.4f}" for one in cells), share)
    print_table(table)
    print(
        f"{figures['windows']:,} forecasts of {figures['horizon']} steps from the test part; MSE, "
        "MAE and CRPS of values standardised on the training part"
    )


def _refuse_figure(figure: Path | None) -> None:
    if figure is not None and figure.suffix.lower() != ".png":
        raise SettingsError(f"--figure writes PNG: name it OUT.png, not {figure.name}")


def _load(run: Path, device: str) -> "ForecastingRun":
    from ostinato.tasks.forecasting.task import load_forecaster

    return load_forecaster(run, device=device)


def _tell(run: "ForecastingRun", found: "list[SeriesForecast]", options: ForecastOutput) -> None:
    if options.output is None:
        _write(run, found, sys.stdout)
    else:
        with open(options.output, "w", newline="", encoding="utf-8") as file:
            _write(run, found, file)
        print(f"forecast: {options.output}", file=sys.stderr)
    if options.figure is not None:
        run.draw(found, options.figure)
        print(f"picture: {options.figure}", file=sys.stderr)


def _write(run: "ForecastingRun", found: "list[SeriesForecast]", file: Any) -> None:
    """A row a value: series, time, target, mean, quantiles (empty where points are forecast)."""
    levels = run.settings.quantiles
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["series", "time", "target", "mean", *(f"q{level:g}" for level in levels)])
    for one in found:
        mean, quantiles = one.mean, one.quantiles(levels)
        for step, time in enumerate(one.times):
            for place, target in enumerate(one.targets):
                numbers = [mean[step, place], *quantiles[:, step, place]]
                written = ["" if math.isnan(one) else f"{one:.7g}" for one in numbers]
                writer.writerow([one.series, time, target, *written])


def _describe_best(best: dict[str, float]) -> str:
    if "crps" not in best:
        return f"loss {best['nats_per_unit']:.4f} over the horizon"
    return (
        f"CRPS {best['crps']:.4f} over the horizon, {best['nats_per_unit']:.4f} nats a value one "
        "step ahead"
    )


def _train_one(settings: ForecastingSettings) -> "ForecastingRun":
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.forecasting import task as forecasting

    with watch_run(settings.unit) as observer:
        return forecasting.train(settings, observer)


def _report(run: "ForecastingRun") -> None:
    """The figures, and where everything lies."""
    if not is_first_process():
        return
    print_best(run, _describe_best)
    print_places(run)
    print(f"forecast:     ostinato forecast {run.folder}")
    print(f"judge:        ostinato backtest {run.folder}")
