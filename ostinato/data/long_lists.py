"""Lists of texts, series and names that may be longer than memory holds; they are read only."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, final, overload

import numpy as np
from numpy.typing import NDArray

from ostinato.data.rows_on_disk import Rows, RowsWriter

Item = TypeVar("Item")


@final
class Runs:
    """Takes runs of rows of any length, and finds each again: 8 bytes of memory a run.

    Args:
        dtype, width: of the rows, as `RowsWriter` takes them.
    """

    def __init__(self, dtype: Any, width: tuple[int, ...] = ()) -> None:
        self._writer = RowsWriter(dtype, width)
        self._bounds = array("q", [0])
        self._rows: Rows | None = None

    def append(self, rows: NDArray[Any]) -> None:
        """One more run; none may follow once a run was read."""
        assert self._rows is None
        self._writer.append(rows)
        self._bounds.append(self._writer.count)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, number: int) -> NDArray[Any]:
        if not 0 <= number < len(self):
            raise IndexError(f"run {number} of {len(self)}")
        return self.rows[self._bounds[number] : self._bounds[number + 1]]

    @property
    def rows(self) -> Rows:
        """All rows, one run after the other."""
        if self._rows is None:
            self._rows = self._writer.finish()
        return self._rows

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each run begins."""
        return self._ends[:-1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many rows each run has."""
        return np.diff(self._ends)

    @property
    def _ends(self) -> NDArray[np.int64]:
        """0, then where each run ends, not copied: while it is held no run can be appended."""
        return np.frombuffer(self._bounds, np.int64)


class ReadOnly(Sequence[Item]):
    """A sequence whose items are numbered from 0 and have no slices."""

    @overload
    def __getitem__(self, number: int) -> Item: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Item]: ...

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self.item(one) for one in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(f"item {number} of {len(self)}")
        return self.item(int(number))

    def item(self, number: int) -> Item:
        """The item of this number."""
        raise NotImplementedError


@final
class Texts(ReadOnly[str]):
    """Texts, in the order in which they were appended."""

    def __init__(self) -> None:
        self._runs = Runs(np.uint8)

    def append(self, text: str) -> None:
        """One more, before any is read."""
        self._runs.append(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))

    def __len__(self) -> int:
        return len(self._runs)

    def item(self, number: int) -> str:
        return self._runs[number].tobytes().decode("utf-8", "surrogatepass")


@final
class SeriesList(ReadOnly[NDArray[np.float32]]):
    """Series (time, feature), in the order in which they were appended."""

    def __init__(self, features: int) -> None:
        self._runs = Runs(np.float32, (features,))

    def append(self, series: NDArray[np.float32]) -> None:
        """One more, before any is read."""
        self._runs.append(series)

    def __len__(self) -> int:
        return len(self._runs)

    def item(self, number: int) -> NDArray[np.float32]:
        return self._runs[number]


@final
class Names(ReadOnly[str]):
    """Texts of which few differ, each kept once; `codes` says which stands where."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._numbers: dict[str, int] = {}
        self._different: list[str] = []
        self._codes = array("i")
        for name in names:
            self.append(name)

    def append(self, name: str) -> None:
        """One more."""
        number = self._numbers.setdefault(name, len(self._different))
        if number == len(self._different):
            self._different.append(name)
        self._codes.append(number)

    def __len__(self) -> int:
        return len(self._codes)

    def item(self, number: int) -> str:
        return self._different[self._codes[number]]


@final
class Chosen(ReadOnly[Item]):
    """Some of the items of a sequence.

    Args:
        items: all of them.
        numbers: which.
    """

    def __init__(self, items: Sequence[Item], numbers: NDArray[np.int64]) -> None:
        self._items, self._numbers = items, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def item(self, number: int) -> Item:
        return self._items[int(self._numbers[number])]
