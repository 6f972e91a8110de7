"""The compiled engine beside what there is: torch.nn's kernels, and loops written by hand.

Every case takes turns with its peer in one process, warm; the two sides are compared before the
clock starts. `ratio` is peer / ours of the fastest, `median` over the rounds. Forward and backward
with T=64 and n=32 unless the line says otherwise; inputs are as wide as the hidden state.

    python benchmarks/engine.py [--threads 1] [--seconds 2] [--only TEXT]
"""

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from peers.loops import (
    gru_before,
    lstm_with_resets_in_segments,
    lstm_with_resets_step_by_step,
    packed,
    regularised_lstm,
)
from peers.turns import take_turns
from torch import Tensor, nn

import ostinato
from ostinato.layers import load_torch_state_dict

Work = Callable[[], Tensor]


class Case(NamedTuple):
    """What is compared: both works return what must agree."""

    name: str
    peer_name: str
    ours: Work
    peer: Work


def trained(layer: nn.Module, outputs: Callable[[], Tensor], inputs: Tensor) -> Work:
    """Forward and backward; the outputs."""
    wanted = [inputs, *layer.parameters()]
    with torch.no_grad():
        gradient = torch.randn(outputs().shape)

    def work() -> Tensor:
        found = outputs()
        torch.autograd.grad(found, wanted, gradient)
        return found.detach()

    return work


def inferred(outputs: Callable[[], Tensor]) -> Work:
    def work() -> Tensor:
        with torch.no_grad():
            return outputs()

    return work


def twins(kind: str, size: int) -> tuple[nn.Module, nn.Module]:
    """Our layer and torch's, with the same weights."""
    peer = getattr(nn, kind)(size, size, batch_first=True)
    ours = getattr(ostinato, kind)(size, size)
    load_torch_state_dict(ours, peer.state_dict())
    return ours, peer


def random_inputs(samples: int, time: int, size: int) -> Tensor:
    return torch.randn(samples, time, size, requires_grad=True)


def plain(kind: str, size: int, samples: int = 32, time: int = 64) -> Case:
    ours, peer = twins(kind, size)
    x = random_inputs(samples, time, size)
    return Case(
        f"{kind} h={size} n={samples}",
        f"nn.{kind}",
        trained(ours, lambda: ours(x)[0], x),
        trained(peer, lambda: peer(x)[0], x),
    )


def long_inference(size: int, time: int) -> Case:
    ours, peer = twins("LSTM", size)
    x = torch.randn(1, time, size)
    name = f"LSTM h={size} n=1 T={time}, inference"
    return Case(name, "nn.LSTM", inferred(lambda: ours(x)[0]), inferred(lambda: peer(x)[0]))


def uneven(size: int) -> Case:
    ours, peer = twins("LSTM", size)
    x, lengths = random_inputs(32, 64, size), torch.randint(16, 65, (32,))
    return Case(
        f"LSTM h={size}, lengths in [T/4, T]",
        "packed nn.LSTM",
        trained(ours, lambda: ours(x, lengths=lengths)[0], x),
        trained(peer, lambda: packed(peer, x, lengths), x),
    )


def with_resets(size: int, peer_name: str, loop: Callable[..., Tensor]) -> Case:
    ours, peer = twins("LSTM", size)
    x, resets = random_inputs(32, 64, size), torch.rand(32, 64) < 1 / 16
    return Case(
        f"LSTM h={size}, resets 1 in 16",
        peer_name,
        trained(ours, lambda: ours(x, resets=resets)[0], x),
        trained(peer, lambda: loop(peer, x, resets), x),
    )


def regularised(size: int, samples: int) -> Case:
    layer = ostinato.LSTM(size, size, layer_norm=True, recurrent_dropout=0.3, zoneout=0.1)
    x = random_inputs(samples, 64, size)
    (noise,) = layer.draw_noise(x, 64)
    inside, (cell,) = noise.forward, layer.cells
    return Case(
        f"LSTM h={size} n={samples}, layer norm, recurrent dropout, zoneout",
        "loop",
        trained(layer, lambda: layer(x, noise=[noise])[0], x),
        trained(layer, lambda: regularised_lstm(cell, x, inside.hidden, inside.keep), x),
    )


def two_stages(size: int) -> Case:
    layer = ostinato.GRU(size, size, reset="before")
    x, (cell,) = random_inputs(32, 64, size), layer.cells
    return Case(
        f"GRU h={size}, reset before the product",
        "loop",
        trained(layer, lambda: layer(x)[0], x),
        trained(layer, lambda: gru_before(cell, x), x),
    )


def one_step(size: int) -> Case:
    ours, peer = ostinato.LSTM(size, size).eval(), nn.LSTMCell(size, size)
    weights = zip(peer.parameters(), ours.cells[0].parameters(), strict=True)
    with torch.no_grad():
        for theirs, own in weights:
            theirs.copy_(own)
    stepper, x = ours.stepper(1), torch.randn(1, size)
    zeros = torch.zeros(1, size), torch.zeros(1, size)
    start = ours.initial_state(1)

    def steps_of_ours() -> Tensor:
        stepper.state = start
        for _ in range(100):
            output = stepper(x)
        return output.clone()

    def steps_of_peer() -> Tensor:
        state = zeros
        for _ in range(100):
            state = peer(x, state)
        return state[0]

    return Case(
        f"LSTM h={size}, 100 single steps, n=1",
        "nn.LSTMCell",
        inferred(steps_of_ours),
        inferred(steps_of_peer),
    )


def cases() -> Iterator[Callable[[], Case]]:
    for kind in ("LSTM", "GRU", "RNN"):
        for size in (128, 256, 512):
            yield lambda kind=kind, size=size: plain(kind, size)
        yield lambda kind=kind: plain(kind, 64, samples=4)
    for size in (128, 512):
        yield lambda size=size: uneven(size)
    yield lambda: with_resets(128, "nn.LSTM step by step", lstm_with_resets_step_by_step)
    yield lambda: with_resets(128, "nn.LSTM in segments", lstm_with_resets_in_segments)
    for size in (128, 256, 512):
        yield lambda size=size: regularised(size, 32)
    yield lambda: regularised(128, 1)
    for size in (128, 256, 512):
        yield lambda size=size: two_stages(size)
    for size in (128, 512):
        yield lambda size=size: one_step(size)
    yield lambda: long_inference(256, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2, help="for each case")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    print(f"{settings.threads} thread(s)\n{'case':60} {'peer':22} ours ms  peer ms  ratio  median")
    for make in cases():
        torch.manual_seed(0)
        case = make()
        if settings.only not in case.name:
            continue
        torch.testing.assert_close(case.ours(), case.peer(), rtol=0, atol=2e-3)
        found = take_turns(case.ours, case.peer, settings.seconds)
        print(
            f"{case.name:60} {case.peer_name:22} {found.ours * 1e3:7.2f} {found.peer * 1e3:8.2f} "
            f"{found.fastest:6.2f} {found.middle:7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
