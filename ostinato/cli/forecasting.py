"""`ostinato train forecasting`, `forecast`, `append` and `backtest`; `resume` and `evaluate`."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import Field

from ostinato.cli.evaluate import EvaluateArguments, print_json
from ostinato.cli.forecasting_output import (
    print_every_window,
    print_figures,
    save_forecasts,
    save_scores,
    write_forecasts,
)
from ostinato.cli.parsing import Device, NamedAgain, RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tasks_of_runs import refuse_options
from ostinato.cli.train import ResumeArguments
from ostinato.cli.trainings import print_outcome, print_places, settings_of_seeds
from ostinato.errors import SettingsError
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.tasks.forecasting.calibration import Shifts
    from ostinato.tasks.forecasting.series_forecast import SeriesForecast
    from ostinato.tasks.forecasting.task import ForecastingRun
    from ostinato.training import Observer

RowsFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
_Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
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
    uncalibrated: _Flag = Field(
        False,
        description="Leave the quantiles as the net has them. Else they are shifted by what they "
        "were off by on the validation part, where that has values enough; the first time this "
        "is computed, then kept with the run.",
    )
    seed: int = Field(0, ge=0, description="The same seed draws the same paths.")
    cell: NamedAgain = None
    device: Device = "auto"


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
    scores: Path | None = Field(
        None,
        description="CSV file for how strange each new value was, one step ahead: series, time, "
        "target, value, expected, tail_probability (of a value as far out, on either side) and "
        "nats. None: not computed.",
    )


class BacktestArguments(CheckedModel):
    """A run, and how often to forecast."""

    run: RunFolder = Field(description="Folder of the run.")
    windows: int = Field(
        _WINDOWS, gt=0, description="Forecasts of each series, spread over its test part."
    )
    uncalibrated: _Flag = Field(
        False, description="Judge the quantiles as the net has them; see forecast."
    )
    every_window: _Flag = Field(
        False,
        description="Instead: MSE and MAE from every row of the test part, as published tables "
        "have them.",
    )
    figure: Path | None = Field(
        None, description="PNG file of the last forecast beside what came. None: no picture."
    )
    figures: Path | None = Field(
        None,
        description="Folder for pictures: forecasts beside what came, the error at each step "
        "ahead, nominal against true coverage. None: none.",
    )
    json_line: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = Field(
        False, description="Print one line of JSON and nothing else on standard output."
    )
    cell: NamedAgain = None
    device: Device = "auto"


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
    run = _load(options)
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
    run = _load(options)
    if options.scores is None:
        found = run.append(options.rows, seed=options.seed)
    else:
        with _watch(quietly=run.knows_scores) as observer:
            found, scores = run.append_scored(options.rows, seed=options.seed, observer=observer)
        save_scores(scores, options.scores)
        print(f"scores: {options.scores}", file=sys.stderr)
    _tell(run, found, options)


def backtest(arguments: list[str]) -> None:
    """Print how good forecasts of the test part are, beside the baselines."""
    options = parse(
        BacktestArguments,
        arguments,
        command="backtest",
        description="Forecast from places of the test part and compare with what came, beside the "
        "last value, the seasonal naive forecast and exponential smoothing.",
    )
    _refuse_figure(options.figure)
    if options.every_window:
        drawn = options.figure is not None or options.figures is not None
        if drawn or options.uncalibrated or options.windows != _WINDOWS:
            raise SettingsError(
                "--every-window takes all windows, draws none of them and calibrates nothing"
            )
        _judge_every_window(options)
    else:
        _judge(options)


def resume_forecasting(options: ResumeArguments) -> None:
    """Go on with a forecaster."""
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.forecasting import task as forecasting
    from ostinato.tasks.forecasting.folder import settings_of

    with watch_run(settings_of(options.run, options.cell).unit) as observer:
        run = forecasting.resume(
            options.run,
            cell=options.cell,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def evaluate_forecasting(options: EvaluateArguments) -> None:
    """The same as `backtest`."""
    refuse_options(options, "forecasting", "part", "data")
    names = ("run", "cell", "device", "json_line")
    _judge(BacktestArguments(**{name: getattr(options, name) for name in names}))


def _judge(options: BacktestArguments) -> None:
    from ostinato.cli.progress import watch_run

    with watch_run("value") as observer:
        run = _load(options)
        figures = run.backtest(
            windows=options.windows,
            calibrated=not options.uncalibrated and _shifts(run, observer) is not None,
            figure=options.figure,
            figures=options.figures,
            observer=observer,
        )
    if options.json_line:
        print_json(figures)
    else:
        print_figures(figures, run.settings.quantiles)
    for what, place in (("picture", options.figure), ("pictures", options.figures)):
        if place is not None:
            print(f"{what}: {place}", file=sys.stderr)


def _judge_every_window(options: BacktestArguments) -> None:
    from ostinato.cli.progress import watch_run

    with watch_run("value") as observer:
        figures = _load(options).judge_every_window(observer=observer)
    if options.json_line:
        print_json(figures)
        return
    print_every_window(figures)


def _refuse_figure(figure: Path | None) -> None:
    if figure is not None and figure.suffix.lower() != ".png":
        raise SettingsError(f"--figure writes PNG: name it OUT.png, not {figure.name}")


def _load(options: ForecastArguments | AppendArguments | BacktestArguments) -> "ForecastingRun":
    from ostinato.tasks.forecasting.task import load_forecaster

    return load_forecaster(options.run, cell=options.cell, device=options.device)


def _tell(run: "ForecastingRun", found: "list[SeriesForecast]", options: ForecastOutput) -> None:
    if not options.uncalibrated:
        with _watch(quietly=run.knows_calibration) as observer:
            shifts = _shifts(run, observer)
        found = found if shifts is None else run.calibrated(found, shifts)
    if options.output is None:
        write_forecasts(run.settings.quantiles, found, sys.stdout)
    else:
        save_forecasts(run.settings.quantiles, found, options.output)
        print(f"forecast: {options.output}", file=sys.stderr)
    if options.figure is not None:
        run.draw(found, options.figure)
        print(f"picture: {options.figure}", file=sys.stderr)


@contextmanager
def _watch(*, quietly: bool) -> "Iterator[Observer | None]":
    """Who is told how far a look at the validation part is; nobody where there is none to take."""
    from ostinato.cli.progress import watch_run

    if quietly:
        yield None
    else:
        with watch_run("value") as observer:
            yield observer


def _shifts(run: "ForecastingRun", observer: "Observer | None") -> "Shifts | None":
    """What calibrates the quantiles; None where nothing does, and it is told why."""
    shifts, obstacle = run.calibration(observer=observer)
    if obstacle is not None:
        print(f"the quantiles are not calibrated: {obstacle}", file=sys.stderr)
    return shifts


def _describe_best(best: dict[str, float]) -> str:
    if "crps" not in best:
        return f"loss {best['nats_per_unit']:.4f} over the horizon"
    return (
        f"CRPS {best['crps']:.4f} over the horizon, {best['nats_per_unit'] / math.log(2):.3f} bits "
        "per value one step ahead"
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
    print_outcome(run, _describe_best)
    print_places(run)
    print(f"forecast:     ostinato forecast {run.folder}")
    print(f"judge:        ostinato backtest {run.folder}")
