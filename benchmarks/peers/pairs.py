"""A layer of ours and its peer with the same weights, forward and backward, for any shape."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

import ostinato
from ostinato.layers import load_torch_state_dict
from peers.loops import regularised_lstm

NAMES = {"LSTM": "nn.LSTM", "GRU": "nn.GRU", "LSTM, layer norm": "loop in torch"}  # and the peers'


class Pair(NamedTuple):
    """Both are called without arguments; `layer` is ours."""

    layer: nn.Module
    ours: Callable[[], Tensor]
    peer: Callable[[], Tensor]


def pair(name: str, size: int, samples: int, time: int) -> Pair:
    """One of `NAMES`, on inputs (samples, time, size)."""
    inputs = torch.randn(samples, time, size, requires_grad=True)
    gradient = torch.randn(samples, time, size)
    if name == "LSTM, layer norm":
        layer = peer = ostinato.LSTM(size, size, layer_norm=True)
        (cell,) = layer.cells
        peer_outputs = lambda: regularised_lstm(cell, inputs)  # noqa: E731
    else:
        layer = getattr(ostinato, name)(size, size)
        peer = getattr(nn, name)(size, size, batch_first=True)
        load_torch_state_dict(layer, peer.state_dict())
        peer_outputs = lambda: peer(inputs)[0]  # noqa: E731

    def trained(module: nn.Module, outputs_of: Callable[[], Tensor]) -> Callable[[], Tensor]:
        wanted = [inputs, *module.parameters()]

        def work() -> Tensor:
            outputs = outputs_of()
            torch.autograd.grad(outputs, wanted, gradient)
            return outputs.detach()

        return work

    return Pair(layer, trained(layer, lambda: layer(inputs)[0]), trained(peer, peer_outputs))
