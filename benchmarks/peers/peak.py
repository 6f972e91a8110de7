"""The limit: multiply-adds on registers alone, as many as this core does in a second."""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor, nn

from ostinato.engine.cpu.machine_code import machine_code
from ostinato.engine.cpu.target import host_target
from ostinato.engine.cpu.writer import Writer, declarations
from peers.turns import rounds_of

_SUMS = 12  # chains of their own, enough to hide how long one multiply-add takes
_TURNS = 20_000

size, pointer = ctypes.c_int64, ctypes.c_void_p


def compiled(arguments: str, writer: Writer, *kinds: type) -> Callable[..., None]:
    """A function of machine code from the body in `writer`."""
    body = "\n".join(writer.entry + writer.lines)
    text = f"{declarations(writer.target)}\ndefine void @run({arguments}) {{\nentry:\n{body}\n"
    code = machine_code(text + "  ret void\n}\n", writer.target)
    return ctypes.CFUNCTYPE(None, *kinds)(code.address("run"))


class MultiplyAdds:
    """A work of nothing but float32 multiply-adds, about `count` of them, on one thread."""

    def __init__(self, count: int) -> None:
        lanes = host_target().lanes
        self._turns = max(1, round(count / (_SUMS * lanes)))
        self._numbers = torch.zeros(_SUMS * lanes)
        self._run = _loop()

    def __call__(self) -> None:
        self._run(self._numbers.data_ptr(), self._turns)


@cache
def multiply_adds_a_second(limit: float = 0.5) -> float:
    """As measured once in this process, on one thread; by the wall, in turns too short to be
    interrupted.
    """
    count = _SUMS * _TURNS * host_target().lanes
    return count / min(rounds_of([MultiplyAdds(count)], limit))[0]


def multiply_adds(layer: nn.Module | Mapping[str, Tensor], steps: int, *, trained: bool) -> int:
    """Of all products with weight matrices, for this many steps of samples.

    Training needs two more of each: the gradient of the weights, and of what they multiply.
    """
    parameters = dict(layer.named_parameters()) if isinstance(layer, nn.Module) else layer
    weights = sum(tensor.numel() for tensor in parameters.values() if tensor.dim() == 2)
    return weights * steps * (3 if trained else 1)


@cache
def _loop() -> Callable[..., None]:
    writer = Writer(host_target())
    lanes = writer.target.lanes
    sums = [writer.slot(writer.target.vector) for _ in range(_SUMS)]
    places = [writer.at("%numbers", index * lanes) for index in range(_SUMS)]
    factor = writer.load("%numbers")
    for slot, place in zip(sums, places, strict=True):
        writer.store(writer.load(place), slot)
    with writer.loop(0, "%turns"):
        for slot in sums:
            writer.store(writer.multiply_add(factor, factor, writer.load(slot)), slot)
    for slot, place in zip(sums, places, strict=True):
        writer.store(writer.load(slot), place)
    return compiled("ptr %numbers, i64 %turns", writer, pointer, size)
