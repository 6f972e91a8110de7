"""What is constant in a series, as numbers that a net reads.

A static column whose every value is a number is one, standardised over the series, with whether it
is there beside it; any other is a category, one of its values 1 and the others 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import DataError

_MOST_CATEGORIES = 200


@dataclass(frozen=True)
class StaticColumn:
    """How one column is coded.

    Args:
        categories: its values, or None where it holds numbers.
        location, scale: mean and deviation of the numbers over the series.
    """

    categories: tuple[str, ...] | None
    location: float = 0.0
    scale: float = 1.0

    def features(self, text: str) -> list[float]:
        """What a net reads of one value; an empty one is missing."""
        if self.categories is not None:
            return [float(text == one) for one in self.categories]
        if not text:
            return [0.0, 0.0]
        return [(float(text) - self.location) / self.scale, 1.0]


@dataclass(frozen=True)
class StaticCoding:
    """How all static columns are coded, one after the other."""

    columns: tuple[StaticColumn, ...] = ()

    @property
    def width(self) -> int:
        """Features."""
        return sum(len(one.features("")) for one in self.columns)

    def features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """What a net reads of a series: (width,)."""
        pairs = zip(self.columns, texts, strict=True)
        found = [number for column, text in pairs for number in column.features(text)]
        return np.array(found, dtype=np.float32)


def learn_static(names: Sequence[str], static: Mapping[str, Sequence[str]]) -> StaticCoding:
    """The coding of static columns.

    Args:
        names: of the columns.
        static: for each series what they hold.

    Raises:
        DataError: a category for nearly every one of very many series.

    Example:
        >>> coding = learn_static(["size", "kind"], {"a": ["1", "shop"], "b": ["3", "web"]})
        >>> coding.features(["1", "web"]).tolist()
        [-1.0, 1.0, 0.0, 1.0]
    """
    columns = [
        _learn(name, [texts[place] for texts in static.values()])
        for place, name in enumerate(names)
    ]
    return StaticCoding(tuple(columns))


def _learn(name: str, texts: Sequence[str]) -> StaticColumn:
    there = [text for text in texts if text]
    numbers = _numbers(there)
    if numbers is not None:
        deviation = float(numbers.std())
        return StaticColumn(None, float(numbers.mean()), deviation if deviation > 0 else 1.0)
    categories = tuple(sorted(set(there)))
    if len(categories) > _MOST_CATEGORIES:
        raise DataError(
            f"static column {name!r} has {len(categories):,} categories; at most "
            f"{_MOST_CATEGORIES} can be told apart: leave it out or join some"
        )
    return StaticColumn(categories)


def _numbers(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """All of them as numbers, or None where one is none."""
    try:
        found = np.array([float(text) for text in texts])
    except ValueError:
        return None
    return found if len(found) and np.isfinite(found).all() else None
