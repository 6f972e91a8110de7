"""A trained forecaster with its folder: it forecasts, reads on, and is judged."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ostinato.data.forecasting.series import Series, to_series
from ostinato.data.forecasting.table import read_further
from ostinato.errors import CheckpointError, DataError
from ostinato.state import stack
from ostinato.tasks.forecasting.calibration import (
    Calibration,
    Shifts,
    calibrate,
    load_calibration,
    save_calibration,
)
from ostinato.tasks.forecasting.data import read_again
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
from ostinato.tasks.forecasting.pictures import backtest_forecasts, draw, draw_backtest
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths
from ostinato.tasks.forecasting.residuals import (
    Residuals,
    learn_residuals,
    load_residuals,
    save_residuals,
)
from ostinato.tasks.forecasting.scores import ScoredValue, Scores, needs_residuals
from ostinato.tasks.forecasting.series_forecast import SeriesForecast
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.trained_run import TrainedRun
from ostinato.training import Journal, Observer

T = TypeVar("T")


class ForecastingRun(TrainedRun[ForecastingSettings]):
    """A trained run: its forecaster and folder.

    Made by `ostinato.train_forecasting` and `ostinato.load_forecaster`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        network: with the run's best weights, in evaluation mode.
    """

    def __init__(self, folder: Path, settings: ForecastingSettings, network: Forecaster) -> None:
        super().__init__(folder, settings)
        self.network = network
        self.facts = facts_of(folder)

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
        return self._append(data, seed, None)

    def append_scored(
        self, data: Path | str, *, seed: int = 0, observer: Observer | None = None
    ) -> tuple[list[SeriesForecast], list[ScoredValue]]:
        """The same as `append`, and how strange each new value was when it came.

        Of a model that forecasts points the first time takes a look at the validation part, what
        it was off by there is then kept in the run's folder.

        Args:
            data, seed: as in `append`.
            observer: hears how far that look is; None: nobody does.

        Raises:
            DataError: as in `append`; or of a model that forecasts points the validation part is
                too short.
        """
        if needs_residuals(self.network):
            self.residuals(observer=observer)  # where they cannot be had, nothing is read yet
        hearers: list[Scores] = []
        forecasts = self._append(data, seed, hearers)
        return forecasts, [value for one in hearers for value in one.values]

    def backtest(
        self,
        *,
        windows: int = 50,
        calibrated: bool = False,
        figure: Path | None = None,
        figures: Path | None = None,
        observer: Observer | None = None,
    ) -> dict[str, Any]:
        """Figures of forecasts from places of the test part; see `evaluation`.

        Args:
            windows: forecasts of each series.
            calibrated: judge calibrated quantiles; see `shifts`.
            figure: PNG file for the last forecast of the first series, beside what came.
            figures: folder for forecast.png, by-step.png and coverage.png.
            observer: hears how far it is; None: nobody does.
        """
        heard = observer or Observer()
        data = read_again(self.settings, self.facts, heard.preparing)
        shifts = self.shifts(observer=observer) if calibrated else None
        found = backtest(
            self.network, data, self.settings, windows=windows, shifts=shifts, told=heard.evaluated
        )
        if found.unjudged:
            heard.noted(
                f"{len(found.unjudged):,} of {len(data.series):,} series are not judged, as "
                f"{found.unjudged[0]!r}: their test part, or what there is of it, is shorter than "
                f"the horizon of {self.settings.horizon:,}"
            )
        shown, truths = backtest_forecasts(found.shown, data, shifts, self._kept)
        levels = self.settings.quantiles
        if figure is not None:
            draw(shown[:1], levels, figure, self.facts.grid, truths[:1])
        if figures is not None:
            draw(shown, levels, figures / "forecast.png", self.facts.grid, truths)
            draw_backtest(found, figures)
        return found.figures

    def calibration(self, *, observer: Observer | None = None) -> Calibration:
        """What calibrates the quantiles, or why nothing does.

        Computed once, by forecasts of the validation part, then kept in the run's folder.

        Args:
            observer: hears how far it is; None: nobody does.
        """
        return self._learned_once(load_calibration, calibrate, save_calibration, observer)

    @property
    def knows_calibration(self) -> bool:
        """Whether `calibration` was computed for these weights before, and is but read."""
        return load_calibration(self.folder, self._weights()) is not None

    @property
    def knows_scores(self) -> bool:
        """Whether `append_scored` needs no look at the validation part, or has taken it."""
        if not needs_residuals(self.network):
            return True
        return load_residuals(self.folder, self._weights()) is not None

    def shifts(self, *, observer: Observer | None = None) -> Shifts:
        """The shifts that calibrate the quantiles.

        Args:
            observer: as in `calibration`.

        Raises:
            DataError: nothing calibrates them; says why.
        """
        shifts, obstacle = self.calibration(observer=observer)
        if shifts is None:
            raise DataError(str(obstacle))
        return shifts

    def residuals(self, *, observer: Observer | None = None) -> Residuals:
        """What it was off by, one step ahead, on the validation part; see `learn_residuals`.

        Computed once, then kept in the run's folder.

        Args:
            observer: hears how far it is; None: nobody does.

        Raises:
            DataError: the validation part is too short for it.
        """
        return self._learned_once(load_residuals, learn_residuals, save_residuals, observer)

    def _learned_once(
        self,
        load: Callable[[Path, str], T | None],
        learn: Callable[..., T],
        save: Callable[[Path, T, str], None],
        observer: Observer | None,
    ) -> T:
        """What the run's folder keeps of these weights, or is learned of the run's own table."""
        weights = self._weights()
        found = load(self.folder, weights)
        if found is None:
            heard = observer or Observer()
            data = read_again(self.settings, self.facts, heard.preparing)
            found = learn(self.network, data, self.settings, told=heard.evaluated)
            save(self.folder, found, weights)
        return found

    def calibrated(
        self, forecasts: list[SeriesForecast], shifts: Shifts | None = None
    ) -> list[SeriesForecast]:
        """Forecasts whose quantiles are calibrated.

        Args:
            forecasts: of the run.
            shifts: that calibrate them. None: the run's own, see `shifts`.
        """
        shifts = self.shifts() if shifts is None else shifts
        return [
            replace(one, shifts=shifts[one.series] * self.facts.scalings[one.series].scale)
            for one in forecasts
        ]

    def judge_every_window(self, *, observer: Observer | None = None) -> dict[str, Any]:
        """MSE and MAE over every window of the test part; see `every_window`.

        Args:
            observer: hears how far it is; None: nobody does.
        """
        heard = observer or Observer()
        data = read_again(self.settings, self.facts, heard.preparing)
        return judge_every_window(self.network, data, self.settings, told=heard.evaluated)

    def draw(self, forecasts: list[SeriesForecast], picture: Path) -> None:
        """Draw forecasts after their history; of many, the first four panels."""
        draw(forecasts, self.settings.quantiles, picture, self.facts.grid)

    def is_live(self) -> bool:
        """Whether it is kept where every series stands, read with the weights of now."""
        try:
            return load_live(self.folder, self.network, self._weights()) is not None
        except CheckpointError:
            return False

    def live(self, series: Mapping[str, Series] | None = None) -> dict[str, LiveSeries]:
        """Where every series stands; the run's own table is read where nothing is kept yet.

        Args:
            series: of that table, where it was read already.
        """
        live = load_live(self.folder, self.network, self._weights())
        if live is None:
            if series is None:
                series = read_again(self.settings, self.facts).series
            live = begin(self.network, self.facts, series, self.settings.horizon)
            save_live(self.folder, live, self._weights())
        return live

    def _read(self, data: Path | str) -> dict[str, LiveSeries]:
        facts = self.facts
        table = read_further(data, facts.columns, facts.static, kind=facts.grid.kind)
        if table.has_stamps and table.dated != facts.grid.dated:
            raise DataError(f"{table.name}: its time stamps are not of the kind of the run's")
        series = to_series(table, self.facts.grid)
        empty = [name for name, one in series.items() if len(one.values) == 0]
        if empty:
            raise DataError(f"{table.name}: series {empty[0]!r} has no value at all")
        return begin(self.network, self.facts, series, self.settings.horizon)

    def _after(self, live: dict[str, LiveSeries], seed: int) -> list[SeriesForecast]:
        settings, facts = self.settings, self.facts
        ahead = covariates_ahead(live, facts, settings.horizon)
        states = stack([one.state for one in live.values()])
        drawn = draw_paths(self.network, states, ahead, settings.samples, seed, each=True)
        found = []
        for (name, one), paths in zip(live.items(), drawn, strict=True):
            scaling = facts.scalings[name]
            times = [facts.grid.label(one.end + step) for step in range(settings.horizon)]
            units = paths.astype(np.float64) * scaling.scale + scaling.location
            found.append(
                SeriesForecast(name, one.end, times, facts.columns.targets, units, one.tail)
            )
        return found

    def _append(
        self, data: Path | str, seed: int, hearers: list[Scores] | None
    ) -> list[SeriesForecast]:
        live = self.live()
        grid = self.facts.grid
        after = {
            name: (grid.last_stamp(one.end - 1), f"the last row read, {grid.label(one.end - 1)}")
            for name, one in live.items()
        }
        table = read_further(
            data, self.facts.columns, self.facts.static, kind=grid.kind, after=after
        )
        starts = {name: one.end for name, one in live.items()}
        new = to_series(table, grid, starts=starts)

        errors = self.residuals() if hearers is not None and needs_residuals(self.network) else {}

        def told(name: str) -> Scores:
            assert hearers is not None
            start = new[name].start
            hearers.append(Scores(self.network, self.facts, name, start, errors.get(name)))
            return hearers[-1]

        live = go_on(
            self.network,
            self.facts,
            live,
            new,
            self.settings.horizon,
            told=None if hearers is None else told,
        )
        forecasts = self._after({name: live[name] for name in new}, seed)
        save_live(self.folder, live, self._weights())
        return forecasts

    @property
    def _kept(self) -> int:
        return max(2 * self.facts.season, 3 * self.settings.horizon)

    def _weights(self) -> str:
        found = Journal(self.folder).find("best") or Journal(self.folder).find()
        return "" if found is None else found.name
