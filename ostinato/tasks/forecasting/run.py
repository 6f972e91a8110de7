"""A trained forecaster with its folder: it forecasts, reads on, and is judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.series import to_series
from ostinato.data.forecasting.table import read_further
from ostinato.errors import DataError, SettingsError
from ostinato.tasks.forecasting.data import read_data
from ostinato.tasks.forecasting.evaluation import backtest
from ostinato.tasks.forecasting.every_window import judge_every_window
from ostinato.tasks.forecasting.folder import facts_of
from ostinato.tasks.forecasting.future import covariates_ahead, with_future
from ostinato.tasks.forecasting.live import (
    LiveSeries,
    begin,
    go_on,
    load_live,
    save_live,
)
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.training import Journal, Observer
from ostinato.xray.forecasts import Fan, draw_forecasts

_MOST_DRAWN = 4


@dataclass(frozen=True)
class SeriesForecast:
    """The forecast of one series, in the units of the table.

    Args:
        series: its name, empty where there is only one.
        times: time stamps of the steps.
        targets: names of the columns.
        paths: (samples, horizon, targets), equally likely.
        history: (time, targets), the last values before.
    """

    series: str
    times: list[str]
    targets: tuple[str, ...]
    paths: NDArray[np.float64]
    history: NDArray[np.float32]

    @property
    def mean(self) -> NDArray[np.float64]:
        """(horizon, targets)."""
        return self.paths.mean(0)

    def quantiles(self, levels: tuple[float, ...]) -> NDArray[np.float64]:
        """(levels, horizon, targets); NaN where points were forecast."""
        if len(self.paths) == 1:
            return np.full((len(levels), *self.paths.shape[1:]), np.nan)
        return np.quantile(self.paths, levels, axis=0)


class ForecastingRun:
    """A trained run: its forecaster and folder.

    Made by `ostinato.train_forecasting` and `ostinato.load_forecaster`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        network: with the run's best weights, in evaluation mode.
    """

    def __init__(self, folder: Path, settings: ForecastingSettings, network: Forecaster) -> None:
        self.folder = folder
        self.settings = settings
        self.network = network
        self.facts = facts_of(folder)

    @property
    def figure(self) -> Path:
        """Where the picture of the losses lies."""
        return self.folder / "figures" / "loss.png"

    def forecast(
        self, data: Path | str | None = None, *, future: Path | str | None = None, seed: int = 0
    ) -> list[SeriesForecast]:
        """The steps after the last row of each series.

        Args:
            data: a table with the columns of the run's own, read from its first row. None: the
                run's own with all that was appended since, of which only the state is read.
            future: a table of the steps to come with the known columns. None: these are in rows
                whose targets are empty, or there are none.
            seed: the same one draws the same paths.

        Raises:
            DataError: something in the table, or known columns of the future that are missing.
        """
        live = self.live() if data is None else self._read(data)
        if future is not None:
            live = with_future(live, self.facts, future)
        return self._after(live, seed)

    def append(self, data: Path | str, *, seed: int = 0) -> list[SeriesForecast]:
        """Read new rows and forecast the series that they are of; later calls go on from there.

        The work depends on the number of new rows and not on that of the rows before. Rows that
        cannot be read change nothing.

        Args:
            data: a table with the columns of the run's own; "-": standard input.
            seed: as in `forecast`.

        Raises:
            DataError: something in the rows; they must come after the last one that was read.
        """
        live = self.live()
        grid = self.facts.grid
        after = {
            name: (grid.last_stamp(one.end - 1), f"the last row read, {grid.label(one.end - 1)}")
            for name, one in live.items()
        }
        table = read_further(data, self.facts.columns, self.facts.static, after=after)
        starts = {name: one.end for name, one in live.items()}
        new = to_series(table, grid, starts=starts)
        live = go_on(self.network, self.facts, live, new, self.settings.horizon)
        forecasts = self._after({name: live[name] for name in new}, seed)
        save_live(self.folder, live, self._weights())
        return forecasts

    def backtest(
        self,
        *,
        windows: int = 50,
        figure: Path | None = None,
        observer: Observer | None = None,
    ) -> dict[str, Any]:
        """Figures of forecasts from places of the test part; see `forecasting_evaluation`.

        Args:
            windows: forecasts of each series.
            figure: PNG file for the last forecast of the first series, beside what came.
            observer: hears how far it is; None: nobody does.
        """
        data = read_data(self.settings)
        told = (observer or Observer()).evaluated
        figures, shown = backtest(self.network, data, self.settings, windows=windows, told=told)
        if figure is not None:
            values = data.series[shown.series].values
            history = values[max(0, shown.row - self._kept) : shown.row]
            truth = values[shown.row : shown.row + self.settings.horizon]
            self._draw([self._shown(shown.series, shown.paths, history)], figure, truth)
        return figures

    def judge_every_window(self, *, observer: Observer | None = None) -> dict[str, Any]:
        """MSE and MAE over every window of the test part; see `every_window`.

        Args:
            observer: hears how far it is; None: nobody does.
        """
        told = (observer or Observer()).evaluated
        return judge_every_window(self.network, read_data(self.settings), self.settings, told=told)

    def draw(self, forecasts: list[SeriesForecast], picture: Path) -> None:
        """Draw forecasts after their history; of many, the first four panels."""
        self._draw(forecasts, picture, None)

    def live(self) -> dict[str, LiveSeries]:
        """Where every series stands; the run's own table is read where nothing is kept yet."""
        live = load_live(self.folder, self.network, self._weights())
        if live is None:
            live = begin(
                self.network, self.facts, read_data(self.settings).series, self.settings.horizon
            )
            save_live(self.folder, live, self._weights())
        return live

    def _read(self, data: Path | str) -> dict[str, LiveSeries]:
        table = read_further(data, self.facts.columns, self.facts.static)
        if table.has_stamps and table.dated != self.facts.grid.dated:
            raise DataError(f"{table.name}: its time stamps are not of the kind of the run's")
        series = to_series(table, self.facts.grid)
        empty = [name for name, one in series.items() if len(one.values) == 0]
        if empty:
            raise DataError(f"{table.name}: series {empty[0]!r} has no value at all")
        return begin(self.network, self.facts, series, self.settings.horizon)

    def _after(self, live: dict[str, LiveSeries], seed: int) -> list[SeriesForecast]:
        settings, facts = self.settings, self.facts
        found = []
        for name, one in live.items():
            ahead = covariates_ahead(name, one, facts, settings.horizon)[None]
            (paths,) = draw_paths(self.network, one.state, ahead, settings.samples, seed)
            scaling = facts.scalings[name]
            times = [facts.grid.label(one.end + step) for step in range(settings.horizon)]
            units = paths.astype(np.float64) * scaling.scale + scaling.location
            found.append(SeriesForecast(name, times, facts.columns.targets, units, one.tail))
        return found

    def _shown(self, name: str, paths: NDArray[np.float64], history: Any) -> SeriesForecast:
        return SeriesForecast(name, [], self.facts.columns.targets, paths, history)

    def _draw(self, forecasts: list[SeriesForecast], picture: Path, truth: Any) -> None:
        if picture.suffix.lower() != ".png":
            raise SettingsError(f"--figure writes PNG: name it OUT.png, not {picture.name}")
        fans = [
            Fan(
                " ".join(part for part in (one.series, target) if part),
                one.history[-self._kept :, place],
                one.paths[:, :, place],
                None if truth is None else truth[:, place],
            )
            for one in forecasts
            for place, target in enumerate(one.targets)
        ]
        draw_forecasts(fans[:_MOST_DRAWN], self.settings.quantiles, picture)

    @property
    def _kept(self) -> int:
        return max(2 * self.facts.season, 3 * self.settings.horizon)

    def _weights(self) -> str:
        found = Journal(self.folder).find("best") or Journal(self.folder).find()
        return "" if found is None else found.name
