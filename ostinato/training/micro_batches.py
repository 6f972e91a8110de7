"""Gradient accumulation: the rows of a batch in slices, one after the other."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ostinato.state import select


def slices(window: Any, carried: Any, count: int) -> Iterator[tuple[Any, Any]]:
    """The window's rows in at most `count` slices, each with its rows of the carried state.

    The losses of all slices are to be divided by the counted targets of the whole batch, so that
    the summed gradient is the whole batch's.
    """
    if count == 1:
        yield window, carried
        return
    rows = window.inputs.shape[0]
    size = -(-rows // count)
    for start in range(0, rows, size):
        part = slice(start, start + size)
        tensors = {k: v[part] for k, v in window._asdict().items() if isinstance(v, Tensor)}
        yield window._replace(**tensors), None if carried is None else select(carried, part)
