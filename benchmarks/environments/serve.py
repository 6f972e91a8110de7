"""The side of a peer that lives in an environment of its own: it waits, and works when told to.

A request is a line of JSON on standard input, an answer one on standard output:

    {"prepare": options, "arrays": NPZ, "results": NPZ}    what it computed first is in `results`
        -> {"compile_seconds": ..}
    {"run": true}
        -> {"wall": .., "processor": ..}    seconds
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
Prepared = tuple[Callable[[], Arrays], float]  # what to run; the processor's seconds to compile it


def serve(prepare: Callable[[dict[str, Any], Arrays], Prepared]) -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    work: Callable[[], Any] | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            with np.load(request["arrays"]) as arrays:
                work, compile_seconds = prepare(request["prepare"], dict(arrays))
            np.savez(request["results"], **work())
            answer = {"compile_seconds": compile_seconds}
        else:
            assert work is not None
            began, used = time.perf_counter(), time.process_time()
            work()
            answer = {
                "wall": time.perf_counter() - began,
                "processor": time.process_time() - used,
            }
        print(json.dumps(answer), file=answers, flush=True)
