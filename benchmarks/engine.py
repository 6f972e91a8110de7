"""The compiled engine beside what there is: torch.nn's kernels, and loops written by hand.

Every case takes turns with its peer in one process, warm; the two sides are compared before the
clock starts. `ratio` is peer / ours of the fastest, `median` over the rounds. `limit` is what the
multiply-adds alone take at the measured peak of the cores, and `possible` the ratio at that limit.
Forward and backward with T=64 and n=32 unless the line says otherwise; inputs are as wide as the
hidden state.

    python benchmarks/engine.py [--threads 1] [--seconds 2] [--only TEXT]
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from peers.comparison import Case, compare_all, parser_of, settings_of
from peers.loops import (
    gru_before,
    lstm_with_resets_in_segments,
    lstm_with_resets_step_by_step,
    packed,
    regularised_lstm,
)
from peers.peak import MultiplyAdds, multiply_adds
from torch import Tensor, nn

import ostinato
from ostinato.layers import load_torch_state_dict
from ostinato.training import bfloat16_is_slow

Work = Callable[[], Tensor]
Aims = tuple[float | None, float | None]

STEPS = 100
PLAIN: dict[str, dict[int, Aims]] = {
    "LSTM": {128: (1.1, 1.0), 256: (1.15, 1.0), 512: (1.15, 1.0), 64: (1.4, None)},
    "GRU": {128: (1.9, 1.9), 256: (None, None), 512: (1.3, 1.3), 64: (6.0, None)},
    "RNN": {128: (1.5, 1.5), 256: (None, None), 512: (None, None), 64: (1.5, None)},
}


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


def plain(kind: str, size: int, aims: Aims, samples: int = 32, time: int = 64) -> Case:
    ours, peer = twins(kind, size)
    x = random_inputs(samples, time, size)
    return Case(
        f"{kind} h={size} n={samples}",
        f"nn.{kind}",
        trained(ours, lambda: ours(x)[0], x),
        trained(peer, lambda: peer(x)[0], x),
        aims,
        multiply_adds(ours, samples * time, trained=True),
    )


def both_ways(kind: str, size: int, samples: int) -> Case:
    """Two threads run both directions at once."""
    peer = getattr(nn, kind)(size, size, batch_first=True, bidirectional=True)
    ours = getattr(ostinato, kind)(size, size, bidirectional=True)
    load_torch_state_dict(ours, peer.state_dict())
    x = random_inputs(samples, 64, size)
    return Case(
        f"{kind} both ways h={size} n={samples}",
        f"nn.{kind}",
        trained(ours, lambda: ours(x)[0], x),
        trained(peer, lambda: peer(x)[0], x),
        (None, None),
        multiply_adds(ours, samples * 64, trained=True),
    )


def gru_beside_lstm(size: int) -> Case:
    """Three quarters of the products."""
    gru, lstm = ostinato.GRU(size, size), ostinato.LSTM(size, size)
    x = random_inputs(32, 64, size)
    return Case(
        f"GRU h={size} n=32",
        "our LSTM",
        trained(gru, lambda: gru(x)[0], x),
        trained(lstm, lambda: lstm(x)[0], x),
        (1.25, 1.25),
        multiply_adds(gru, 32 * 64, trained=True),
        tolerance=None,
    )


def in_bfloat16(size: int) -> Case:
    layer, x = ostinato.LSTM(size, size), random_inputs(32, 64, size)
    rounded = ostinato.LSTM(size, size, products="bfloat16")
    rounded.load_state_dict(layer.state_dict())
    return Case(
        f"LSTM h={size} n=32, products in bfloat16",
        "ours in float32",
        trained(rounded, lambda: rounded(x)[0], x),
        trained(layer, lambda: layer(x)[0], x),
        (1.4 if size == 512 else None, None),
        tolerance=5e-2,
    )


def under_autocast(size: int) -> Case:
    ours, peer = twins("LSTM", size)
    x = random_inputs(32, 64, size)

    def cast(layer: nn.Module) -> Callable[[], Tensor]:
        def outputs() -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return layer(x)[0].float()

        return outputs

    return Case(
        f"LSTM h={size} n=32, under autocast to bfloat16",
        "nn.LSTM",
        trained(ours, cast(ours), x),
        trained(peer, cast(peer), x),
        (None, None),
        tolerance=5e-2,
    )


def forward_loop(size: int, *, saving: bool) -> Case:
    """The peer is the limit itself: as many multiply-adds on registers."""
    layer, x = ostinato.LSTM(16, size), torch.randn(32, 64, 16)
    count = multiply_adds(layer, 32 * 64, trained=False)
    return Case(
        f"LSTM h={size} n=32, forward loop" + ", saving for backward" * saving,
        "multiply-adds alone",
        (lambda: layer(x)[0].detach()) if saving else inferred(lambda: layer(x)[0]),
        MultiplyAdds(count),
        (0.85 if size == 512 else None, None),
        count,
        tolerance=None,
    )


def long_inference(size: int, time: int) -> Case:
    ours, peer = twins("LSTM", size)
    x = torch.randn(1, time, size)
    return Case(
        f"LSTM h={size} n=1 T={time}, inference",
        "nn.LSTM",
        inferred(lambda: ours(x)[0]),
        inferred(lambda: peer(x)[0]),
        (1.5, 1.5),
        multiply_adds(ours, time, trained=False),
    )


def uneven(size: int, aims: Aims) -> Case:
    ours, peer = twins("LSTM", size)
    x, lengths = random_inputs(32, 64, size), torch.randint(16, 65, (32,))
    return Case(
        f"LSTM h={size}, lengths in [T/4, T]",
        "packed nn.LSTM",
        trained(ours, lambda: ours(x, lengths=lengths)[0], x),
        trained(peer, lambda: packed(peer, x, lengths), x),
        aims,
        multiply_adds(ours, int(lengths.sum()), trained=True),
    )


def with_resets(size: int, peer_name: str, loop: Callable[..., Tensor], aims: Aims) -> Case:
    ours, peer = twins("LSTM", size)
    x, resets = random_inputs(32, 64, size), torch.rand(32, 64) < 1 / 16
    return Case(
        f"LSTM h={size}, resets 1 in 16",
        peer_name,
        trained(ours, lambda: ours(x, resets=resets)[0], x),
        trained(peer, lambda: loop(peer, x, resets), x),
        aims,
        multiply_adds(ours, 32 * 64, trained=True),
    )


def regularised(size: int, samples: int, aims: Aims) -> Case:
    layer = ostinato.LSTM(size, size, layer_norm=True, recurrent_dropout=0.3, zoneout=0.1)
    x = random_inputs(samples, 64, size)
    (noise,) = layer.draw_noise(x, 64)
    inside, (cell,) = noise.forward, layer.cells
    return Case(
        f"LSTM h={size} n={samples}, norm, dropout, zoneout",
        "loop",
        trained(layer, lambda: layer(x, noise=[noise])[0], x),
        trained(layer, lambda: regularised_lstm(cell, x, inside.hidden, inside.keep), x),
        aims,
        multiply_adds(layer, samples * 64, trained=True),
    )


def two_stages(size: int, aims: Aims) -> Case:
    layer = ostinato.GRU(size, size, reset="before")
    x, (cell,) = random_inputs(32, 64, size), layer.cells
    return Case(
        f"GRU h={size}, reset before the product",
        "loop",
        trained(layer, lambda: layer(x)[0], x),
        trained(layer, lambda: gru_before(cell, x), x),
        aims,
        multiply_adds(layer, 32 * 64, trained=True),
    )


def one_step(size: int, aims: Aims, *, rounded: bool = False) -> Case:
    products = "bfloat16" if rounded else None
    ours = ostinato.LSTM(size, size, products=products).eval()
    peer = nn.LSTMCell(size, size)
    weights = zip(peer.parameters(), ours.cells[0].parameters(), strict=True)
    with torch.no_grad():
        for theirs, own in weights:
            theirs.copy_(own)
    stepper = ours.stepper(1)
    x, start = torch.randn(1, size), ours.initial_state(1)
    zeros = torch.zeros(1, size), torch.zeros(1, size)

    def steps_of_ours() -> Tensor:
        stepper.state = start
        for _ in range(STEPS):
            output = stepper(x)
        return output.clone()

    def steps_of_peer() -> Tensor:
        state = zeros
        for _ in range(STEPS):
            state = peer(x, state)
        return state[0]

    return Case(
        f"LSTM h={size}, {STEPS} single steps, n=1" + ", bfloat16" * rounded,
        "nn.LSTMCell",
        inferred(steps_of_ours),
        inferred(steps_of_peer),
        aims,
        None if rounded else multiply_adds(ours, STEPS, trained=False),
        tolerance=5e-2 if rounded else 2e-3,
    )


def cases() -> Iterator[Callable[[], Case]]:
    """With the aims on one thread and on two."""
    for kind, sizes in PLAIN.items():
        for size, aims in sizes.items():
            yield partial(plain, kind, size, aims, samples=4 if size == 64 else 32)
    for kind, size, samples in (("LSTM", 128, 1), ("LSTM", 128, 32), ("GRU", 256, 4)):
        yield partial(both_ways, kind, size, samples)
    for size in (128, 512):
        yield partial(gru_beside_lstm, size)
    for size in (128, 512):
        yield partial(in_bfloat16, size)
        if not bfloat16_is_slow(torch.device("cpu")):  # nn.LSTM has no kernel for it there.
            yield partial(under_autocast, size)
    for saving in (False, True):
        yield partial(forward_loop, 512, saving=saving)
    yield partial(uneven, 128, (2.5, 2.5))
    yield partial(uneven, 512, (1.7, 1.7))
    by_step, in_segments = lstm_with_resets_step_by_step, lstm_with_resets_in_segments
    yield partial(with_resets, 128, "nn.LSTM step by step", by_step, (3.0, 3.0))
    yield partial(with_resets, 128, "nn.LSTM in segments", in_segments, (1.5, 1.5))
    for size, aim in {128: 4.0, 256: 3.0, 512: 2.3}.items():
        yield partial(regularised, size, 32, (aim, aim))
    yield partial(regularised, 128, 1, (9.0, 9.0))
    for size, aim in {128: 5.0, 256: 3.2, 512: 2.4}.items():
        yield partial(two_stages, size, (aim, aim))
    yield partial(one_step, 128, (4.0, None))
    yield partial(one_step, 512, (1.8, None))
    yield partial(one_step, 512, (3.6, None), rounded=True)
    yield partial(long_inference, 256, 1000)


def main() -> None:
    settings = settings_of(parser_of(__doc__).parse_args())
    compare_all(cases(), settings, "engine")


if __name__ == "__main__":
    main()
