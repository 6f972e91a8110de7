"""SIGTERM as an orderly end: what is open gets closed, and the exit code is 143."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_EXIT_CODE = 143


@contextmanager
def ends_on_termination() -> Iterator[None]:
    """While this lasts, SIGTERM raises SystemExit(143); training takes it over as a wish to stop.

    Outside the main thread, where Python takes no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_EXIT_CODE)
