"""What recomputing saves and costs: peak memory of a training step, and its time.

A process of its own for each line, so that one's peak is not another's. Memory is the peak that the
process had in main memory (VmHWM) less what it had before the step, inputs in hand. Time is that
of the fastest of some steps, forward and backward.

    python benchmarks/recompute.py [--hidden 256] [--samples 16] [--times 256 1024 4096]
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

import ostinato

_STEPS = 5


def train(hidden: int, samples: int, steps: int, engine: str, *, recompute: bool) -> None:
    """Print the bytes and the seconds of a training step."""
    torch.manual_seed(0)
    layer = ostinato.LSTM(hidden, hidden, engine=engine, recompute=recompute)
    inputs = torch.randn(samples, steps, hidden, requires_grad=True)
    gradient = torch.ones(()).expand(samples, steps, hidden)
    wanted = [inputs, *layer.parameters()]

    def step(time: int) -> None:
        outputs, _ = layer(inputs[:, :time])
        torch.autograd.grad(outputs, wanted, gradient[:, :time])

    step(2)
    step(2)
    Path("/proc/self/clear_refs").write_text("5")
    before = _bytes_of("VmRSS")
    step(steps)
    peak = _bytes_of("VmHWM") - before
    print(peak, min(_seconds_of(step, steps) for _ in range(_STEPS)))


def _seconds_of(step: object, steps: int) -> float:
    started = time.perf_counter()
    step(steps)  # pyright: ignore[reportCallIssue]
    return time.perf_counter() - started


def _bytes_of(name: str) -> int:
    """A line of the kernel's report on this process, which counts in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--times", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--engine", default="compiled")
    parser.add_argument("--one", nargs=2, metavar=("TIME", "RECOMPUTE"), help=argparse.SUPPRESS)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    size = settings.hidden, settings.samples
    if settings.one:
        steps, recompute = int(settings.one[0]), settings.one[1] == "True"
        train(*size, steps, settings.engine, recompute=recompute)
        return
    print(f"LSTM h={size[0]} n={size[1]}, {settings.engine}\n{'T':>6}  stored MB  again MB   time")
    for steps in settings.times:
        found = []
        for recompute in ("False", "True"):
            command = [sys.executable, *sys.argv, "--one", str(steps), recompute]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append(list(map(float, said.split())))
        (stored, quick), (again, slow) = found
        print(f"{steps:6} {stored / 1e6:10.0f} {again / 1e6:9.0f} {slow / quick:6.2f}", flush=True)


if __name__ == "__main__":
    main()
