"""Tables with a sample a row.

documents    a column of text, a column of classes
wide         the values of one series from left to right, a column of classes
"""

from collections.abc import Iterator

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.numbers import parse_numbers, without_missing_end
from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.data.classification.table import Table

_TEXT_NAMES = ("text", "sentence", "document", "sequence")
_LABEL_NAMES = ("label", "class", "category", "target")


def read_documents(table: Table, columns: Columns, *, labelled: bool) -> SampleStream:
    """A text a row."""
    text = None if columns.text is None else table.place_of(columns.text, "--text")
    label = label_place(table, columns, text) if labelled else None
    if text is None:
        text = table.usual(_TEXT_NAMES, "--text", label)
    return SampleStream(
        (
            Sample(
                cells[text],
                None if label is None else cells[label].strip(),
                f"{table.unit} {number}",
            )
            for number, cells in table.rows()
        ),
        table.name,
        columns=found_columns(columns, table, text, label),
    )


def read_wide(table: Table, columns: Columns, *, labelled: bool) -> SampleStream:
    """A series a row; cells that are empty to the row's end are no part of it."""
    if labelled or columns.label in table.columns:
        label = label_place(table, columns, None)
    else:
        label = None
    places = [place for place in range(len(table.columns)) if place != label]
    names = [table.columns[place] for place in places]

    def samples() -> Iterator[Sample]:
        for number, cells in table.rows():
            known = None if label is None else cells.pop(label).strip()
            numbers = parse_numbers(
                table.numbers(number, cells, places), table.place(number), names
            )
            series = without_missing_end(numbers)[:, None]
            yield Sample(series, known if labelled else None, f"{table.unit} {number}")

    found = found_columns(columns, table, None, label)
    return SampleStream(samples(), table.name, ("value",), found)


def found_columns(columns: Columns, table: Table, text: int | None, label: int | None) -> Columns:
    """The columns as asked for, with those that the table's names told."""
    return columns._replace(
        text=columns.text if text is None else table.columns[text],
        label=columns.label if label is None else table.columns[label],
    )


def label_place(table: Table, columns: Columns, taken: int | None) -> int:
    """Where the column of the classes stands, from 0."""
    if columns.label is not None:
        return table.place_of(columns.label, "--label")
    return table.usual(_LABEL_NAMES, "--label", taken)
