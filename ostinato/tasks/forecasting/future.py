"""What is known of the steps to come: from a table of them, and whether it is enough."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.data.forecasting.series import Series, to_series
from ostinato.data.forecasting.table import read_further
from ostinato.errors import DataError
from ostinato.names import nearest
from ostinato.tasks.forecasting.data import prepare_all
from ostinato.tasks.forecasting.folder import Facts
from ostinato.tasks.forecasting.live import LiveSeries


def with_future(
    live: Mapping[str, LiveSeries], facts: Facts, path: Path | str
) -> dict[str, LiveSeries]:
    """Every series with the known columns of its steps to come as a table has them.

    Args:
        live: where every series stands.
        facts: of the run.
        path: a table of the time, series and known columns; others are not looked at. Rows before
            the steps to come are passed over; without time stamps the first row is the next step.

    Raises:
        DataError: the run has no known columns; a column or a series that is not there.
    """
    if not facts.columns.known:
        raise DataError(
            "the run was trained without --known columns: nothing of the future is read"
        )
    columns = replace(facts.columns, targets=())
    after = None
    if facts.columns.time is None:
        after = {name: (one.end - 1, "") for name, one in live.items()}
    table = read_further(path, columns, facts.static, kind=facts.grid.kind, after=after)
    found = dict(live)
    for name, future in to_series(table, facts.grid).items():
        if name not in live:
            raise DataError(f"{table.name}: there is no series {name!r}" + nearest(name, [*live]))
        known = _from_step(future, live[name].end)
        found[name] = replace(live[name], known_ahead=_over(live[name].known_ahead, known))
    return found


def covariates_ahead(
    live: Mapping[str, LiveSeries], facts: Facts, horizon: int
) -> NDArray[np.float32]:
    """(series, horizon, covariates) of the steps to come.

    Raises:
        DataError: a known column is not known that far; names it and the first such step.
    """
    empty = np.zeros((0, len(facts.columns.targets)), dtype=np.float32)
    ahead = {
        name: Series(name, one.end, empty, _known_columns(name, one, facts, horizon))
        for name, one in live.items()
    }
    prepared = prepare_all(ahead, facts, horizon).values()
    return np.stack([one.covariates[:horizon] for one in prepared])


def _known_columns(name: str, live: LiveSeries, facts: Facts, horizon: int) -> NDArray[np.float32]:
    """(horizon, known columns), none of which is missing."""
    known, columns = live.known_ahead[:horizon], facts.columns.known
    whole = np.full((horizon, len(columns)), np.nan, dtype=np.float32)
    whole[: len(known)] = known
    for place, column in enumerate(columns):
        missing = np.flatnonzero(np.isnan(whole[:, place]))
        if len(missing):
            of = f" of series {name!r}" if name else ""
            raise DataError(
                f"a forecast needs {column!r} of the {horizon} steps to come{of}, and "
                f"{len(missing)} are missing, the first at "
                f"{facts.grid.label(live.end + int(missing[0]))}: give rows for them with the "
                "targets empty, or `ostinato forecast RUN --future FILE`"
            )
    return whole


def _from_step(future: Series, step: int) -> NDArray[np.float32]:
    """The known columns from a step on."""
    late = max(0, future.start - step)
    nothing = np.full((late, future.known.shape[1]), np.nan, dtype=np.float32)
    return np.concatenate([nothing, future.known[max(0, step - future.start) :]])


def _over(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is said now, and what was said before where nothing is."""
    length = max(len(before), len(now))
    whole = np.full((length, now.shape[1]), np.nan, dtype=np.float32)
    whole[: len(before)] = before
    whole[: len(now)] = np.where(np.isnan(now), whole[: len(now)], now)
    return whole
