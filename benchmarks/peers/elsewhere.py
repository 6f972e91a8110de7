"""A peer in an environment of its own: a process that waits, and works when its turn comes.

`scripts/peer-environment NAME` makes the environment. The process runs on as many processors as it
is given threads, whatever its libraries would like; while it waits it needs none.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
_REST = 0.003  # seconds until the threads of a pool sleep


class PeerMissingError(Exception):
    """A peer that this machine does not have; the message says how to get it."""


class Elsewhere:
    """A work in another environment, for `take_turns`: it tells its own seconds.

    Args:
        name: of the environment.
        options: as the worker's `prepare` takes them.
        arrays: inputs and weights.
        threads: processors it may use.

    Raises:
        PeerMissingError: there is no such environment, or fewer processors.
    """

    def __init__(
        self, name: str, options: Mapping[str, Any], arrays: Mapping[str, Tensor], threads: int
    ) -> None:
        python = ROOT / ".peers" / name / "bin" / "python"
        if not python.exists():
            raise PeerMissingError(f"no .peers/{name}; make it: scripts/peer-environment {name}")
        self._python, self._name, self._options = python, name, options
        self._arrays = {key: tensor.detach().numpy() for key, tensor in arrays.items()}
        self._processors = _processors(threads)
        self._process: subprocess.Popen[str] | None = None
        self.compile_seconds = 0.0

    def __call__(self) -> dict[str, Tensor]:
        """Start the process; what it computed."""
        self._start()
        with tempfile.TemporaryDirectory() as folder:
            arrays, results = Path(folder) / "arrays.npz", Path(folder) / "results.npz"
            np.savez(arrays, **self._arrays)
            request = {"prepare": self._options, "arrays": str(arrays), "results": str(results)}
            self.compile_seconds = self._ask(request)["compile_seconds"]
            with np.load(results) as found:
                return {key: torch.from_numpy(array) for key, array in found.items()}

    def seconds(self, *, processor: bool) -> float:
        """Work once; the seconds that it took there."""
        taken = self._ask({"run": True})["processor" if processor else "wall"]
        time.sleep(_REST)
        return taken

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _start(self) -> None:
        self.close()
        worker = ROOT / "benchmarks" / "environments" / f"{self._name}_worker.py"
        taskset = ["taskset", "-c", ",".join(map(str, self._processors))]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        count = str(len(self._processors))
        self._process = subprocess.Popen(
            [*taskset, str(self._python), str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"OMP_NUM_THREADS": count, "JAX_PLATFORMS": "cpu"},
            text=True,
        )

    def _ask(self, request: Mapping[str, Any]) -> dict[str, float]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker in .peers/{self._name} ended; its words are above")
        return json.loads(answer)


def _processors(threads: int) -> list[int]:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < threads:
        raise PeerMissingError(f"{threads} threads on {len(usable)} processor(s)")
    return usable[-threads:]
