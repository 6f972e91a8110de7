"""Rows of numbers that may be more than memory holds: they lie in a file once they are many."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ostinato.data.corpus_cache import default_cache
from ostinato.errors import DataError

IN_MEMORY_BYTES = 32 << 20
"""Fewer rows than this stay in memory."""
_PIECE_BYTES = 1 << 20
_PIECE_ARRAYS = 1 << 12
"""So many arrays wait at most: a small one is itself larger than its rows."""


@final
class RowsOnDisk:
    """Rows in a file without a name, which is gone when nobody reads it any more.

    Reading takes no memory but for what is read: nothing of the file is mapped or kept.

    Args:
        descriptor: of the file; it is closed with this object.
        dtype: of a number.
        shape: (rows, ...).
    """

    def __init__(self, descriptor: int, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self.descriptor = descriptor
        self.dtype = dtype
        self.shape = shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, step = rows.indices(len(self))
        assert step == 1
        found = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        self.read_into(found, start)
        return found

    def read_into(self, found: NDArray[Any], start: int) -> None:
        """Fill a contiguous array with the rows from `start` on."""
        if not found.size:
            return
        waiting = found.reshape(-1).view(np.uint8).data
        place = start * self._row_bytes
        while len(waiting):
            count = os.preadv(self.descriptor, [waiting], place)
            if not count:
                raise DataError("a file of the cache was cut off while it was read")
            waiting, place = waiting[count:], place + count

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Put these rows in the place of those from `start` on.

        Raises:
            DataError: the disk is full.
        """
        waiting = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8).data
        place = start * self._row_bytes
        while len(waiting):
            with _disk_in_words():
                count = os.pwrite(self.descriptor, waiting, place)
            waiting, place = waiting[count:], place + count

    @property
    def _row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape[1:]))

    def __getstate__(self) -> tuple[Any, np.dtype, tuple[int, ...]]:
        """For a process that is spawned: it gets the open file, which has no name."""
        return DupFd(self.descriptor), self.dtype, self.shape

    def __setstate__(self, state: tuple[Any, np.dtype, tuple[int, ...]]) -> None:
        duplicate, self.dtype, self.shape = state
        self.descriptor = duplicate.detach()

    def __del__(self) -> None:
        os.close(self.descriptor)


Rows = NDArray[Any] | RowsOnDisk


@final
class RowsWriter:
    """Takes rows one after the other.

    Args:
        dtype: of a number.
        width: shape of a row; (): a number.
        in_memory: bytes that are kept in memory before a file is begun.
    """

    def __init__(
        self, dtype: Any, width: tuple[int, ...] = (), in_memory: int | None = None
    ) -> None:
        self.count = 0
        self._dtype, self._width = np.dtype(dtype), width
        self._in_memory = IN_MEMORY_BYTES if in_memory is None else in_memory
        self._waiting: list[NDArray[Any]] = []
        self._waiting_bytes = 0
        self._joined: list[NDArray[Any]] = []
        self._joined_bytes = 0
        self._file: Any = None

    def append(self, rows: NDArray[Any]) -> None:
        """Take some rows (any number, ...).

        Raises:
            DataError: the disk is full, or the cache cannot be made.
        """
        self.count += len(rows)
        self._waiting.append(rows)
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes > _PIECE_BYTES or len(self._waiting) >= _PIECE_ARRAYS:
            self._put_waiting()

    def finish(self) -> Rows:
        """All rows: an array, or a file of them where they are many."""
        self._put_waiting()
        if self._file is None:
            return self._join(self._joined)
        with _disk_in_words():
            self._file.flush()
        with self._file:
            descriptor = os.dup(self._file.fileno())
        return RowsOnDisk(descriptor, self._dtype, (self.count, *self._width))

    def _put_waiting(self) -> None:
        joined = self._join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        if self._file is None:
            self._joined.append(joined)
            self._joined_bytes += joined.nbytes
            if self._joined_bytes <= self._in_memory:
                return
            with _disk_in_words():
                self._file = _nameless_file()
            joined, self._joined = self._join(self._joined), []
        with _disk_in_words():
            self._file.write(np.ascontiguousarray(joined).reshape(-1).view(np.uint8).data)

    def _join(self, some: list[NDArray[Any]]) -> NDArray[Any]:
        if not some:
            return np.zeros((0, *self._width), self._dtype)
        return np.concatenate(some).astype(self._dtype, copy=False)


def pieces_of(rows: Rows) -> Iterator[NDArray[Any]]:
    """All rows in their order, some at a time."""
    if not isinstance(rows, RowsOnDisk):
        yield rows
        return
    row_bytes = rows.dtype.itemsize * int(np.prod(rows.shape[1:]))
    count = max(1, _PIECE_BYTES // row_bytes)
    for start in range(0, len(rows), count):
        yield rows[start : start + count]


def share_of(rows: Rows, number: int) -> float:
    """The share of some numbers, at least one, that are this one."""
    return sum(int(np.count_nonzero(some == number)) for some in pieces_of(rows)) / len(rows)


def padded_rows(
    rows: Rows, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Runs of rows side by side, 0 behind each; and where they are real.

    Args:
        rows: (all rows, ...).
        starts, lengths: of each run (runs,).

    Returns:
        (runs, longest, ...) and (runs, longest).
    """
    places = np.arange(lengths.max())
    real = places < lengths[:, None]
    if isinstance(rows, RowsOnDisk):
        found = np.zeros((*real.shape, *rows.shape[1:]), rows.dtype)
        for run, start, length in zip(found, starts.tolist(), lengths.tolist(), strict=True):
            rows.read_into(run[:length], start)
        return found, real
    found = rows[np.where(real, starts[:, None] + places, 0)]
    found[~real] = 0
    return found, real


def _nameless_file() -> Any:
    folder = default_cache() / "rows"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


@contextmanager
def _disk_in_words() -> Iterator[None]:
    """What the disk refuses, in words."""
    try:
        yield
    except OSError as problem:
        what = "the disk is full" if problem.errno == errno.ENOSPC else problem.strerror
        raise DataError(
            f"the data is larger than memory should hold, and cannot be kept in the cache "
            f"{default_cache()}: {what}; name another folder for it with the environment variable "
            "XDG_CACHE_HOME"
        ) from problem
