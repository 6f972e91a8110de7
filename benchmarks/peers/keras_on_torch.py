"""Keras on our own torch, and the weights of torch's modules as its layers take them."""

import os
from types import ModuleType

import numpy as np
from torch import nn

from peers.beside import beside


def keras_on_torch() -> ModuleType:
    """The module of `.peers/keras`.

    Raises:
        PeerMissingError: there is no such environment.
    """
    os.environ["KERAS_BACKEND"] = "torch"
    keras = beside("keras", "keras")
    keras.config.disable_traceback_filtering()
    return keras


def lstm_weights(lstm: nn.LSTM) -> list[np.ndarray]:
    """Of `keras.layers.LSTM`, both ways of `Bidirectional`; its gates are in the same order.

    Args:
        lstm: of one layer, with biases.
    """
    weights = []
    for way in ("", "_reverse") if lstm.bidirectional else ("",):
        ih, hh = (lstm.get_parameter(f"weight_{one}_l0{way}") for one in ("ih", "hh"))
        bias = lstm.get_parameter(f"bias_ih_l0{way}") + lstm.get_parameter(f"bias_hh_l0{way}")
        weights += [part.detach().numpy() for part in (ih.T, hh.T, bias)]
    return weights


def linear_weights(linear: nn.Linear) -> list[np.ndarray]:
    """Of `keras.layers.Dense`."""
    return [part.detach().numpy() for part in (linear.weight.T, linear.bias)]
