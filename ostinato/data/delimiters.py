"""Which mark stands between the cells of a table of text: commas, or semicolons as spreadsheets
write them where decimals have a comma.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

Row = TypeVar("Row", bound=Sequence[str])
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*")


def told_by_header(lines: Iterable[str]) -> tuple[str, Iterator[str]]:
    """What parts the names in the first line, `,` or `;`, and all lines.

    Example:
        >>> mark, lines = told_by_header(["time;load, in MW\\n", "1;2,5\\n"])
        >>> mark, list(lines)
        (',', ['time;load, in MW\\n', '1;2,5\\n'])
        >>> told_by_header(['time;"load, in MW"\\n'])[0]
        ';'
    """
    rest = iter(lines)
    first = next(rest, "")
    plain = _QUOTED.sub("", first)
    mark = ";" if ";" in plain and "," not in plain else ","
    return mark, chain([first] if first else [], rest)


def with_decimal_points(cells: Sequence[str]) -> list[str]:
    """Cells that stood between semicolons: `2,5` is a number, written `2.5` elsewhere.

    Example:
        >>> with_decimal_points(["2,5", "-1,25e3", "1.234,5", "a, b", "7"])
        ['2.5', '-1.25e3', '1.234,5', 'a, b', '7']
    """
    return [
        cell.replace(",", ".") if "," in cell and _DECIMAL_COMMA.fullmatch(cell) else cell
        for cell in cells
    ]
