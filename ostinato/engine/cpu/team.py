"""Threads that run machine code together. They sleep while there is nothing to do."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any


def run_together(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> None:
    """Call `function` once for each job, each on a thread of its own, and wait for all.

    `function` must be machine code that releases Python's lock, as ctypes' functions do.
    """
    waiting = [_helpers(os.getpid()).submit(function, *job) for job in jobs[1:]]
    function(*jobs[0])
    for job in waiting:
        job.result()


@cache
def _helpers(process: int) -> ThreadPoolExecutor:
    """The helpers of this process: a forked child inherits no threads and makes its own."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="ostinato")
