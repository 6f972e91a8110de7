"""Which columns of a table hold what."""

from typing import NamedTuple


class Columns(NamedTuple):
    """Columns by name; None: as the table's own names tell.

    Attributes:
        text: of tables of documents.
        label: the classes.
        series, time: of tables with a time step a row, what names the sample and when a step was.
        separator: what stands between the labels of a sample in the column of the classes; None:
            it holds one class.
    """

    text: str | None = None
    label: str | None = None
    series: str | None = None
    time: str | None = None
    separator: str | None = None


NO_COLUMNS = Columns()
