"""The feed-forward layer: the recurrent layer's counterpart, without the loop."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activation_function
from ostinato.cells.cell import Cell
from ostinato.state import NoState


class FeedForwardCell(Cell):
    """A hidden layer that sees one step alone.

        H_t = phi(X_t W_xh + b)

    It stands where a recurrent cell stands, so that the two can be compared in one line.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        activation: phi: "tanh", "relu", "sigmoid", or any element-wise callable.
        bias: False leaves b out.
        layer_norm: normalise over the hidden units before phi (Ba 2016).

    Source: Zhang et al., Dive into Deep Learning, section 9.4.1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "tanh",
        bias: bool = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.state_sizes = NoState()
        self.phi = activation_function(activation)
        self.weight_ih = self.weight(hidden_size, input_size)
        self.bias_ih = self.weight(hidden_size) if bias and not layer_norm else None
        self.norm = nn.LayerNorm(hidden_size, bias=bias) if layer_norm else nn.Identity()

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def step(self, projected: Tensor, hidden: Any, state: NoState) -> tuple[Tensor, NoState]:
        return self.phi(self.norm(projected)), state
