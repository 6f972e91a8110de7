"""What the forecasting commands print and write."""

import csv
import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostinato.cli.tables import empty_table, print_table

if TYPE_CHECKING:
    from ostinato.tasks.forecasting.scores import ScoredValue
    from ostinato.tasks.forecasting.series_forecast import SeriesForecast

_BASELINES = {"last_value": "last value", "seasonal_naive": "seasonal naive"}
_SMOOTHING = {"exponential_smoothing": "exponential smoothing"}


def print_figures(figures: dict[str, Any], levels: tuple[float, ...]) -> None:
    """The table of a backtest, and what there is to say of it; `levels` are the run's quantiles."""
    table = empty_table("forecast", "MSE", "MAE", "MASE", "sMAPE", "CRPS", "coverage")
    named = {words: figures[name] for name, words in (_BASELINES | _SMOOTHING).items()}
    for words, own in ({"this run": figures} | named).items():
        if own is None:
            table.add_row(words, *["-"] * 6)
            continue
        cells = [_cell(own[name], ".4f") for name in ("mse", "mae", "mase")]
        cells += [_cell(own["smape"], ".2f"), _cell(own["crps"], ".4f")]
        table.add_row(words, *cells, _cell(own["coverage"], ".1%"))
    print_table(table)
    print(
        f"{figures['windows']:,} forecasts of {figures['horizon']} steps from the test part; MSE, "
        "MAE and CRPS of values standardised on the training part"
    )
    print(
        f"coverage: the share of values between the quantiles {levels[0]:g} and {levels[-1]:g}, "
        f"which promise {levels[-1] - levels[0]:.1%}"
    )
    if figures["exponential_smoothing"] is None:
        print(
            "exponential smoothing needs the package 'statsmodels', which is not installed: "
            "pip install 'ostinato[baselines]'"
        )
    if "conformal" in figures:
        own = figures["conformal"]
        print(
            f"this run's are calibrated on the validation part: coverage "
            f"{own['coverage_before']:.1%} before, {own['coverage']:.1%} after; mean width "
            f"{own['width_before']:.3f} before, {own['width']:.3f} after"
        )


def _cell(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)


def print_every_window(figures: dict[str, Any]) -> None:
    """The table of all windows."""
    table = empty_table("forecast", "MSE", "MAE")
    named = {"this run": figures} | {words: figures[name] for name, words in _BASELINES.items()}
    for words, own in named.items():
        table.add_row(words, f"{own['mse']:.4f}", f"{own['mae']:.4f}")
    print_table(table)
    print(
        f"all {figures['windows']:,} windows of {figures['horizon']} steps in the test part; of "
        "values standardised on the training part"
    )


def write_forecasts(
    levels: tuple[float, ...], found: "Sequence[SeriesForecast]", file: Any
) -> None:
    """A row a value: series, time, target, mean, quantiles (empty where points are forecast)."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["series", "time", "target", "mean", *(f"q{level:g}" for level in levels)])
    for one in found:
        mean, quantiles = one.mean, one.quantiles(levels)
        for step, time in enumerate(one.times):
            for place, target in enumerate(one.targets):
                numbers = [mean[step, place], *quantiles[:, step, place]]
                writer.writerow([one.series, time, target, *map(_written, numbers)])


def save_forecasts(
    levels: tuple[float, ...], found: "Sequence[SeriesForecast]", path: Path
) -> None:
    """The same table as a file; its folder is made."""
    text = StringIO()
    write_forecasts(levels, found, text)
    _save(text, path)


def save_scores(scores: "Sequence[ScoredValue]", path: Path) -> None:
    """A file with a row a value that was seen (no nats of points); its folder is made."""
    names = ("series", "time", "target", "value", "expected", "tail_probability", "nats")
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for one in scores:
        cells = [getattr(one, name) for name in names]
        writer.writerow([*cells[:3], *map(_written, cells[3:])])
    _save(text, path)


def _written(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.7g}"


def _save(text: StringIO, path: Path) -> None:
    from ostinato.checkpoint import write_text

    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
