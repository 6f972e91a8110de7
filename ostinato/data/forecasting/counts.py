"""Counts: whole numbers from 0 on, which are read as they are."""

from collections.abc import Mapping

import numpy as np

from ostinato.data.forecasting.long_rows import pieces
from ostinato.data.forecasting.series import Series
from ostinato.data.forecasting.splits import Scaling
from ostinato.data.forecasting.table import Table
from ostinato.errors import DataError


def refuse_other_than_counts(table: Table, series: Mapping[str, Series]) -> None:
    """Refuse values that nobody can have counted; what is missing may be missing.

    Raises:
        DataError: names the column and the series.
    """
    for name, one in series.items():
        for values in pieces(one.values):
            wrong = (values < 0) | (np.floor(values) != values)
            wrong &= ~np.isnan(values)
            if wrong.any():
                row, place = np.argwhere(wrong)[0]
                of = f" of series {name!r}" if name else ""
                raise DataError(
                    f"{table.name}, column {table.columns.targets[place]!r}{of}: "
                    f"{values[row, place]:g} is no count; --distribution negative-binomial is for "
                    "whole numbers from 0 on, gaussian and student-t take any"
                )


def unscaled(scaling: Scaling) -> Scaling:
    """The scaling that changes nothing, for as many targets."""
    return Scaling(np.zeros_like(scaling.location), np.ones_like(scaling.scale))
