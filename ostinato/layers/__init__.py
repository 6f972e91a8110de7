"""Layers: any cell over time, and what stands around it."""

from ostinato.layers.named import GRU, LSTM, RNN, FeedForward
from ostinato.layers.noise import LayerNoise
from ostinato.layers.options import LayerOptions, check_rate
from ostinato.layers.pointer import Pointer
from ostinato.layers.recurrent import AllStates, Recurrent, RecurrentLayer
from ostinato.layers.torch_adapter import TorchAdapter, replace
from ostinato.layers.torch_weights import load_torch_state_dict, torch_state_dict

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AllStates",
    "FeedForward",
    "LayerNoise",
    "LayerOptions",
    "Pointer",
    "Recurrent",
    "RecurrentLayer",
    "TorchAdapter",
    "check_rate",
    "load_torch_state_dict",
    "replace",
    "torch_state_dict",
]
