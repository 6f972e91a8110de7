"""From a table to what a forecaster trains on; the same steps for every table that comes later."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ostinato.data.forecasting.columns import Columns
from ostinato.data.forecasting.counts import refuse_other_than_counts, unscaled
from ostinato.data.forecasting.horizon_windows import HorizonSource
from ostinato.data.forecasting.judging import naive_error
from ostinato.data.forecasting.long_rows import joined_pieces, pieces, rows_until
from ostinato.data.forecasting.prepared import PreparedSeries, prepare_series
from ostinato.data.forecasting.series import Series, first_grid, to_series
from ostinato.data.forecasting.splits import (
    Parts,
    Scaling,
    mean_and_variance,
    refuse_unseen,
    scaling_of,
    split_by_time,
    steps_of_training,
)
from ostinato.data.forecasting.table import read_table
from ostinato.data.forecasting.windows import WindowSource
from ostinato.data.text_reading import Progress
from ostinato.errors import DataError
from ostinato.names import nearest
from ostinato.tasks.forecasting.folder import Facts
from ostinato.tasks.forecasting.settings import ForecastingSettings


@dataclass(frozen=True)
class ForecastData:
    """All series of a table with what was learned of them, and the parts they are split into.

    Args:
        facts: what was learned.
        series: by name.
        parts: of each.
        too_coarse: columns whose values differ by too little beside their size, see `RowLog`.
    """

    facts: Facts
    series: dict[str, Series]
    parts: dict[str, Parts]
    too_coarse: tuple[str, ...] = ()

    def prepared(self, settings: ForecastingSettings) -> dict[str, PreparedSeries]:
        """Every series as a net reads it."""
        return prepare_all(self.series, self.facts, settings.horizon)


def read_data(
    settings: ForecastingSettings,
    columns: Columns | None = None,
    progress: Progress | None = None,
) -> ForecastData:
    """Read the run's own table.

    Args:
        settings: of the run.
        columns: as they turned out to be. None: as the settings say.
        progress: called now and then with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: something in the table; names file, row and column.
    """
    columns = columns or Columns(
        " ".join(settings.time) or None,
        settings.target,
        settings.series,
        settings.known,
        settings.static,
        settings.time_format,
        settings.time if len(settings.time) > 1 else (),
    )
    table = read_table(settings.data, columns, progress)
    grid = first_grid(table, settings.frequency, settings.combine)
    series = to_series(table, grid)
    empty = [name for name, one in series.items() if len(one.values) == 0]
    if empty:
        raise DataError(f"{table.name}: series {empty[0]!r} has no value at all")
    parts = split_by_time(
        series,
        settings.validation_fraction,
        settings.test_fraction,
        dated=grid.dated,
        steps=settings.split,
    )
    refuse_unseen(table, series, parts, grid)
    grid = grid.spanning(steps_of_training(series, parts))
    season = settings.season or grid.season
    scalings = {name: scaling_of(one, parts[name].train_end) for name, one in series.items()}
    if settings.distribution == "negative-binomial":
        refuse_other_than_counts(table, series)
        scalings = {name: unscaled(one) for name, one in scalings.items()}
    naive = {
        name: (
            naive_error(rows_until(one.values, parts[name].train_end), season)
            / scalings[name].scale
        ).tolist()
        for name, one in series.items()
    }
    facts = Facts(
        table.columns,
        grid,
        season,
        scalings,
        _known_scaling(series, parts),
        naive,
        {name: rows.static for name, rows in table.series.items()},
    )
    read = (*table.columns.targets, *table.columns.known)
    too_coarse = tuple(read[place] for place in table.log.too_coarse)
    return ForecastData(facts, series, parts, too_coarse)


def read_again(
    settings: ForecastingSettings, facts: Facts, progress: Progress | None = None
) -> ForecastData:
    """The run's own table once more, as the run knows it: its columns, scales and calendar.

    Args:
        settings: of the run.
        facts: what it knows.
        progress: as in `read_data`.
    """
    return replace(read_data(settings, facts.columns, progress), facts=facts)


def refuse_untrainable(data: ForecastData, horizon: int) -> None:
    """Refuse what can be read and not be learned from.

    Raises:
        DataError: no training part is longer than the horizon; a static column with too many words.
    """
    longest = max(part.train_end for part in data.parts.values())
    if longest <= horizon:
        raise DataError(
            f"the part to train on has {longest:,} steps, too few to learn a horizon of "
            f"{horizon:,} from: set --horizon lower, or give a longer table"
        )
    _ = data.facts.static_coding


def prepare_all(
    series: Mapping[str, Series], facts: Facts, horizon: int
) -> dict[str, PreparedSeries]:
    """Every series as a net reads it.

    Raises:
        DataError: a series that training did not see, whose scale is therefore not known.
    """
    unknown = [name for name in series if name not in facts.scalings]
    if unknown:
        raise DataError(
            f"series {unknown[0]!r} was not in the table that the run was trained on, so that its "
            "scale is not known; train with it" + nearest(unknown[0], [*facts.scalings])
        )
    return {
        name: prepare_series(
            one,
            facts.grid,
            facts.scalings[name],
            facts.known_scaling,
            facts.static_coding.features(facts.static[name]),
            horizon=horizon,
        )
        for name, one in series.items()
    }


def window_source(
    settings: ForecastingSettings,
    data: ForecastData,
    history: int,
    rank: int = 0,
    world_size: int = 1,
) -> WindowSource | HorizonSource:
    """What training windows are drawn from."""
    names = list(data.series)
    prepared = data.prepared(settings)
    series = [prepared[name] for name in names]
    ends = [data.parts[name].train_end for name in names]
    size, seed = settings.batch_size, settings.seed
    if not settings.windowed:
        return WindowSource(series, ends, size, history, seed, rank, world_size)
    return HorizonSource(series, ends, size, history, settings.horizon, seed, rank, world_size)


def _known_scaling(series: Mapping[str, Series], parts: Mapping[str, Parts]) -> Scaling:
    """Mean and deviation of the known columns over the training parts of all series."""
    location, variance, _ = mean_and_variance(
        lambda: joined_pieces(
            pieces(one.known, 0, parts[name].train_end) for name, one in series.items()
        )
    )
    deviation = np.sqrt(variance)
    scale = np.where(deviation > 1e-6 * np.abs(location), deviation, 1.0)
    return Scaling(location.astype(np.float32), scale.astype(np.float32))
