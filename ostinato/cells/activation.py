"""Activation functions by name."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ostinato.errors import SettingsError

Activation = Literal["tanh", "relu", "sigmoid"] | Callable[[Tensor], Tensor]

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


def activation_function(activation: Activation) -> Callable[[Tensor], Tensor]:
    """The function of this name, or the callable itself.

    Raises:
        SettingsError: neither one of the names nor callable.
    """
    if callable(activation):
        return activation
    if activation not in _FUNCTIONS:
        raise SettingsError(
            f"activation must be one of {', '.join(_FUNCTIONS)} or a callable, got {activation!r}"
        )
    return _FUNCTIONS[activation]
