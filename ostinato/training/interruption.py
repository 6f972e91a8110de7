"""Ctrl-C and SIGTERM: the update in hand is finished, a checkpoint written, then the run stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Training was asked to stop and did, after a checkpoint.

    Args:
        exit_code: what the process should exit with: 130 after Ctrl-C, 143 after SIGTERM.
        folder: of the run. None: not told.
    """

    def __init__(self, exit_code: int, folder: Path | None = None) -> None:
        where = f" in {folder}; go on with: ostinato resume {folder}" if folder else ""
        super().__init__(f"training was interrupted; a checkpoint was written{where}")
        self.exit_code = exit_code


class StopRequest:
    """Whether somebody asked to stop, and with which exit code; None: nobody did."""

    def __init__(self) -> None:
        self.exit_code: int | None = None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While this lasts, the first SIGINT or SIGTERM is noted; a second Ctrl-C stops at once.

    Outside the main thread, where Python takes no signals, nothing is changed.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.exit_code is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.exit_code = _EXIT_CODES[signal.Signals(number)]

    previous = {number: signal.signal(number, note) for number in _EXIT_CODES}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
