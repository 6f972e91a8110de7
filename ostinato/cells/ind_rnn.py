"""The independently recurrent network (Li 2018): each unit remembers itself alone."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activation_function
from ostinato.cells.cell import Cell
from ostinato.state import HiddenState


class IndRNNCell(Cell):
    """The independently recurrent unit.

        H_t = phi(X_t W_xh + u * H_{t-1} + b)

    u holds one recurrent weight a unit, in `weight_hh` (hidden_size,), drawn from 0 to 1 as by the
    author. A unit whose weight stays above 1 grows without bound over long sequences: the paper
    clips |u| to 2^(1 / time) after each update.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        activation: phi: "relu" as in the paper, "tanh", "sigmoid", or any element-wise callable.
        bias: False leaves b out.
        layer_norm: normalise over the hidden units before phi, as in `RNNCell`; the units then no
            longer are independent.

    Source: Li et al. 2018, equation 4.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "relu",
        bias: bool = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.phi: Callable[[Tensor], Tensor] = activation_function(activation)
        self.weight_ih = self.weight(hidden_size, input_size)
        self.weight_hh = nn.Parameter(torch.rand(hidden_size))
        self.bias_ih = self.weight(hidden_size) if bias and not layer_norm else None
        self.norm = nn.LayerNorm(hidden_size, bias=bias) if layer_norm else nn.Identity()

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def step(
        self, projected: Tensor, hidden: Tensor, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        hidden = self.phi(self.norm(projected + self.weight_hh * hidden))
        return hidden, HiddenState(hidden)
