"""What it costs to compile a cell that was never compiled before: ours, torch.compile, JAX.

Ours in new processes, with an empty cache folder and again with what the first left there; seconds
of the processor for tracing, for the rest of the first forward and backward call, and for both.
The first cell of a process also pays for the import of torch's tracer.

`torch.compile` gets the loop by hand of the GRU that resets before the product (h=128, T=64: it
takes minutes, as it unrolls the loop), with an empty cache and one worker; then what it made takes
turns with our engine. It needs a C++ compiler. JAX (`scripts/peer-environment jax`) compiles its
scan of a layer-norm LSTM.

    python benchmarks/compilation.py [--seconds 2] [--time 64] [--without-torch-compile]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from peers.comparison import Case, Settings, compare, line_of, parser_of, settings_of
from peers.elsewhere import Elsewhere, PeerMissingError
from peers.loops import gru_before
from peers.peak import multiply_adds
from peers.records import Record, write
from peers.turns import Turns
from torch import Tensor

import ostinato

SIZE = 128
AIM_TOTAL, AIM_TRACING, AIM_RATIO = 0.5, 0.1, 100.0
NAME = "GRU h=128 n=32 T={}, reset before the product"

Costs = dict[str, dict[str, float]]


def first_calls(cache: Path) -> Costs:
    """By cell, in a new process with this cache folder."""
    script = Path(__file__).parent / "peers" / "first_calls.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = map(json.loads, done.stdout.splitlines())
    return {line.pop("cell"): line for line in lines}


def our_costs(settings: Settings) -> Costs:
    """Print both; those with the empty cache."""
    print(f"{'ours, seconds of the processor':45} tracing  the rest  both")
    with tempfile.TemporaryDirectory() as folder:
        cold, stored = first_calls(Path(folder)), first_calls(Path(folder))
    for where, costs in (("empty cache", cold), ("from the disk", stored)):
        for place, (cell, cost) in enumerate(costs.items()):
            both = cost["traced"] + cost["compiled"]
            name = f"{cell}, {where}" + ", first in its process" * (place == 0)
            print(f"{name:45}{cost['traced']:8.2f}{cost['compiled']:10.2f}{both:6.2f}", flush=True)
            record_cost(f"{name}: all", both, AIM_TOTAL, "aim", settings)
            if place > 0:
                record_cost(f"{name}: tracing", cost["traced"], AIM_TRACING, "aim", settings)
    return cold


def record_cost(case: str, ours: float, peer: float, peer_name: str, settings: Settings) -> None:
    """Beside an aim in seconds, or a peer's seconds."""
    turns = Turns(ours, peer, peer / ours, peer / ours, 1)
    aim = 1.0 if peer_name == "aim" else AIM_RATIO
    aimed = None if peer_name.startswith("JAX") else aim
    record = Record.of("compilation", case, peer_name, 1, turns, aim=aimed, processor=True)
    write(record, settings.records)


def beside_torch_compile(steps: int, ours: float, settings: Settings) -> None:
    """Compile the loop by hand, and let what comes of it take turns."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise PeerMissingError("torch.compile needs a C++ compiler, and there is no g++")
    layer = ostinato.GRU(SIZE, SIZE, reset="before")
    (cell,), x = layer.cells, torch.randn(32, steps, SIZE, requires_grad=True)
    wanted, gradient = [x, *layer.parameters()], torch.randn(32, steps, SIZE)
    loop = torch.compile(lambda inputs: gru_before(cell, inputs))

    def trained(outputs: Tensor) -> Tensor:
        torch.autograd.grad(outputs, wanted, gradient)
        return outputs.detach()

    used = time.process_time() + children_seconds()
    trained(loop(x))
    taken = time.process_time() + children_seconds() - used
    print(f"\ntorch.compile of the loop, T={steps}: {taken:.1f} s, {taken / ours:.0f} times ours")
    record_cost(f"{NAME.format(steps)}: compilation", ours, taken, "torch.compile", settings)
    case = Case(
        NAME.format(steps),
        "torch.compile of a loop",
        lambda: trained(layer(x)[0]),
        lambda: trained(loop(x)),
        (2.5, None),
        multiply_adds(layer, 32 * steps, trained=True),
    )
    print(line_of(compare(case, settings, "compilation")), flush=True)


def children_seconds() -> float:
    """Of the processor, in processes that ended: the C++ compiler's."""
    times = os.times()
    return times.children_user + times.children_system


def beside_jax(ours: float, settings: Settings) -> None:
    """Its compilation alone; `other_frameworks.py` has the rest."""
    layer = ostinato.LSTM(SIZE, SIZE, layer_norm=True)
    inputs, gradient = torch.randn(32, 64, SIZE), torch.randn(32, 64, SIZE)
    weights = dict(layer.cells[0].named_parameters())
    peer = Elsewhere(
        "jax", {"normed": True}, {"inputs": inputs, "gradient": gradient, **weights}, 1
    )
    peer()
    peer.close()
    taken = peer.compile_seconds
    print(f"\nJAX, layer-norm LSTM: {taken:.2f} s, {taken / ours:.1f} times ours", flush=True)
    record_cost("LSTM, layer norm: compilation", ours, taken, "JAX jit, scan, grad", settings)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--time", type=int, default=64, help="steps that torch.compile unrolls")
    parser.add_argument("--without-torch-compile", action="store_true")
    options = parser.parse_args()
    settings = settings_of(options)
    costs = our_costs(settings)
    ours = {name: cost["traced"] + cost["compiled"] for name, cost in costs.items()}
    try:
        beside_jax(ours["LSTM, layer norm"], settings)
    except PeerMissingError as reason:
        print(f"\nskipped: {reason}")
    if options.without_torch_compile:
        print("\nskipped: torch.compile, as asked for")
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TORCHINDUCTOR_CACHE_DIR": folder, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        try:
            beside_torch_compile(options.time, ours["GRU, reset before the product"], settings)
        except PeerMissingError as reason:
            print(f"\nskipped: {reason}")


if __name__ == "__main__":
    main()
