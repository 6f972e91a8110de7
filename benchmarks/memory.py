"""How much memory a forward and backward pass takes at its peak, ours beside torch's.

Every number comes from a process of its own: after a call on two steps (which compiles), its memory
is the baseline, and what it takes beyond that while it computes n=32 samples of h=256 is counted
(`VmHWM` of /proc; Linux only). The inputs were there before; outputs, what is saved for the
backward pass and the gradients are in it. The loop in torch is that of `peers/loops.py`.

    python benchmarks/memory.py [--times 64 256 1024] [--hidden-size 256]
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import torch
from peers.comparison import check_agreement
from peers.pairs import NAMES, pair
from peers.records import RECORDS, Record, write
from peers.turns import Turns

SIDES = ("ours", "peer")


def kibibytes(field: str) -> int:
    """A line of this process's status."""
    found = re.search(rf"^{field}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def peak_of_this_process(name: str, side: str, size: int, samples: int, time: int) -> float:
    """Megabytes beyond the baseline."""
    torch.set_num_threads(1)
    small, large = pair(name, size, 2, 2), pair(name, size, samples, time)
    getattr(small, side)()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    baseline = kibibytes("VmRSS")
    getattr(large, side)()
    return (kibibytes("VmHWM") - baseline) * 1024 / 1e6


def peak_megabytes(name: str, side: str, size: int, samples: int, time: int) -> float:
    """The same in a new process."""
    given = map(str, (name, side, size, samples, time))
    done = subprocess.run(
        [sys.executable, __file__, "--one", *given], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    parser.add_argument("--records", type=Path, default=RECORDS, help="a line a case is added")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, side, *shape = options.one
        print(peak_of_this_process(name, side, *map(int, shape)))
        return
    if not Path("/proc/self/clear_refs").exists():
        print("skipped: the peak of a process's memory is read from /proc, as Linux has it")
        return
    size = options.hidden_size
    print(f"{'case':40} {'peer':16} ours MB   peer MB  ratio")
    for name in (name for name in NAMES if options.only in name):
        small = pair(name, size, 2, 2)
        check_agreement(small.ours(), small.peer(), 1e-3)
        for time in options.times:
            ours, peer = (peak_megabytes(name, side, size, 32, time) for side in SIDES)
            case = f"{name} h={size} n=32 T={time}"
            print(
                f"{case:40} {NAMES[name]:16} {ours:7.1f} {peer:9.1f} {peer / ours:6.2f}", flush=True
            )
            # A record holds two numbers and their ratio: here, gigabytes.
            turns = Turns(ours / 1e3, peer / 1e3, peer / ours, peer / ours, 1)
            write(Record.of("memory", case, NAMES[name], 1, turns), options.records)


if __name__ == "__main__":
    main()
