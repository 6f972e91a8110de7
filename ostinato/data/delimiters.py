"""Which mark stands between the cells of a table of text: commas, or semicolons as spreadsheets
write them where decimals have a comma.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar, final

from ostinato.errors import DataError

Row = TypeVar("Row", bound=Sequence[str])
_SAID = re.compile(r'"?sep=([,;\t])"?')
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_DECIMAL_POINT = re.compile(r"\s*[+-]?\d+\.\d+(?:[eE][+-]?\d+)?\s*")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*")


def told_by_header(lines: Iterable[str]) -> tuple[str, Iterator[str]]:
    """What parts the names in the first line that is not empty, `,` or `;`, and all lines.

    A line `sep=;` before it, as Excel writes it, says so itself, and is read as an empty one.

    Example:
        >>> mark, lines = told_by_header(["time;load, in MW\\n", "1;2,5\\n"])
        >>> mark, list(lines)
        (',', ['time;load, in MW\\n', '1;2,5\\n'])
        >>> told_by_header(['time;"load, in MW"\\n'])[0]
        ';'
        >>> mark, lines = told_by_header(["sep=;\\n", "time;load\\n"])
        >>> mark, list(lines)
        (';', ['\\n', 'time;load\\n'])
    """
    rest, read = iter(lines), list[str]()
    for line in rest:
        read.append(line)
        if line.strip():
            break
    said = _SAID.fullmatch(read[-1].strip("\r\n ")) if read else None
    if said:
        return said[1], chain([*read[:-1], "\n"], rest)
    plain = _QUOTED.sub("", read[-1] if read else "")
    mark = ";" if ";" in plain and "," not in plain else ","
    return mark, chain(read, rest)


@final
class DecimalCommas:
    """Numbers of a table whose cells have semicolons between: `2,5`, written `2.5` elsewhere.

    Args:
        name: of the file, for messages.
        unit: what its rows are counted in, for messages.
        columns: their names.

    Example:
        >>> read = DecimalCommas("a.csv", "row", ["a", "b", "c", "d"])
        >>> read(2, ["2,5", "-1,25e3", "1.234,5", "a, b"])
        ['2.5', '-1.25e3', '1.234,5', 'a, b']
    """

    def __init__(self, name: str, unit: str, columns: Sequence[str]) -> None:
        self._name, self._unit, self._columns = name, unit, columns
        self._commas: dict[int, tuple[int, str]] = {}
        self._points: dict[int, tuple[int, str]] = {}

    def __call__(
        self, number: int, cells: Sequence[str], places: Sequence[int] | None = None
    ) -> list[str]:
        """Cells with a point.

        Args:
            number: of the row.
            cells: of it.
            places: of their columns. None: those of all columns.

        Raises:
            DataError: a column has numbers with a comma and with a point, which may part thousands.
        """
        found = list(cells)
        columns = range(len(cells)) if places is None else places
        for index, (place, cell) in enumerate(zip(columns, cells, strict=True)):
            if "," in cell and _DECIMAL_COMMA.fullmatch(cell):
                found[index] = cell.replace(",", ".")
                self._note(self._commas, self._points, place, (number, cell))
            elif "." in cell and _DECIMAL_POINT.fullmatch(cell):
                self._note(self._points, self._commas, place, (number, cell))
        return found

    def _note(
        self,
        own: dict[int, tuple[int, str]],
        other: dict[int, tuple[int, str]],
        place: int,
        here: tuple[int, str],
    ) -> None:
        own.setdefault(place, here)
        if place in other:
            number, cell = other[place]
            raise DataError(
                f"{self._name}, {self._unit} {here[0]}, column {self._columns[place]!r}: "
                f"{here[1]!r}, and {cell!r} in {self._unit} {number}: decimals are written with a "
                "comma or with a point, one of the two, and thousands without a mark"
            )
