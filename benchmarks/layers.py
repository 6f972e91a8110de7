"""Our layers beside `torch.nn.LSTM`, `GRU` and `RNN` with the same weights, forward and backward.

Each case runs the peer, our layer on the engine it takes by itself, on the reference loop and on
torch's fused kernel, in turns in one process, warm; outputs and gradients are compared before the
clock starts. `ms` is the fastest of all rounds. The ratios are peer / ours (1.00 is as fast, above
we are faster): `fastest` of the two fastest times, `median` over the rounds of the times of one
round. Inputs are as wide as the hidden state. More threads than this process may use cores would
only measure the waiting, so these lines are left out.

    python benchmarks/layers.py [--seconds 5]
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

import ostinato
from ostinato.layers import RecurrentLayer, load_torch_state_dict

KINDS = ("LSTM", "GRU", "RNN")
SIZES = {128: 0.5, 512: 1.5}
"""Hidden sizes, and the share of --seconds that each gets: large ones need longer for a round."""
THREADS = (1, 2)
BATCH, TIME = 32, 64
ENGINES = (None, "reference", "vendor")
FEWEST_ROUNDS = 3

Work = Callable[[], list[Tensor]]


def our_layer(peer: nn.RNNBase, kind: str, size: int, engine: str | None) -> RecurrentLayer:
    layer = getattr(ostinato, kind)(size, size, engine=engine)
    load_torch_state_dict(layer, peer.state_dict())
    return layer


def pass_of(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> Work:
    """One forward and backward of `layer`; returns outputs, and gradients by inputs and weights."""
    wanted = [inputs, *layer.parameters()]

    def work() -> list[Tensor]:
        for tensor in wanted:
            tensor.grad = None
        outputs, _ = layer(inputs)
        outputs.backward(gradient)
        return [outputs.detach(), *(tensor.grad for tensor in wanted)]

    return work


def check_same(peer: list[Tensor], ours: list[Tensor]) -> None:
    """Within rounding, which grows with the largest entry of a gradient."""
    for theirs, own in zip(peer, ours, strict=True):
        limit = 1e-5 * max(1.0, theirs.abs().max().item())
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=limit)


def seconds_of(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def rounds_of(works: list[Work], limit: float) -> list[tuple[float, ...]]:
    """Seconds of each work, in turns, until the limit is reached."""
    end, rounds = time.perf_counter() + limit, []
    while len(rounds) < FEWEST_ROUNDS or time.perf_counter() < end:
        rounds.append(tuple(seconds_of(work) for work in works))
    return rounds


def compare(kind: str, size: int, threads: int, limit: float) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    peer = getattr(nn, kind)(size, size, batch_first=True)
    layers = [our_layer(peer, kind, size, engine) for engine in ENGINES]
    inputs = torch.randn(BATCH, TIME, size, requires_grad=True)
    gradient = torch.randn(BATCH, TIME, size)
    works = [pass_of(layer, inputs, gradient) for layer in (peer, *layers)]
    expected = works[0]()
    for work in works[1:]:
        check_same(expected, work())
    rounds = rounds_of(works, limit)
    best = [min(times) for times in zip(*rounds, strict=True)]
    case = f"{kind:5} {size:5} {threads:7}"
    print(f"{case}  {'torch.nn':18} {best[0] * 1e3:8.1f}")
    for index, (layer, asked) in enumerate(zip(layers, ENGINES, strict=True), start=1):
        name = layer.engine_choices()[0].engine + (" (by itself)" if asked is None else "")
        middle = median(times[0] / times[index] for times in rounds)
        print(
            f"{case}  {name:18} {best[index] * 1e3:8.1f}"
            f" {best[0] / best[index]:8.2f} {middle:7.2f} {len(rounds):7}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="for each case, on average")
    settings = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"batch {BATCH}, time {TIME}, forward and backward; {cores} core(s) for this process")
    print("layer  size threads  engine                   ms  fastest  median  rounds")
    for threads in THREADS:
        if threads > cores:
            print(f"{threads} threads: left out, this process may use {cores} core(s) only")
            continue
        for kind in KINDS:
            for size, share in SIZES.items():
                compare(kind, size, threads, share * settings.seconds)


if __name__ == "__main__":
    main()
