"""The plain recurrent unit (Elman 1990)."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activation_function
from ostinato.cells.cell import Cell
from ostinato.engine import OnnxForm, VendorForm
from ostinato.state import HiddenState


class RNNCell(Cell):
    """The recurrent layer with a hidden variable.

        H_t = phi(X_t W_xh + b_x + H_{t-1} W_hh + b_h)

    with layer normalisation (Ba 2016, equation 4), its gain g and one bias b:

        A_t = X_t W_xh + H_{t-1} W_hh,   H_t = phi(g * (A_t - mean(A_t)) / deviation(A_t) + b)

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        activation: phi: "tanh", "relu", "sigmoid", or any element-wise callable.
        bias: False leaves b_x and b_h out.
        layer_norm: normalise over the hidden units before phi.

    Source: Elman 1990; Zhang et al., Dive into Deep Learning, section 9.4.
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
        self.activation = activation
        self.phi: Callable[[Tensor], Tensor] = activation_function(activation)
        self.weight_ih = self.weight(hidden_size, input_size)
        self.weight_hh = self.weight(hidden_size, hidden_size)
        self.bias_ih = self.weight(hidden_size) if bias and not layer_norm else None
        self.bias_hh = self.weight(hidden_size) if bias and not layer_norm else None
        self.norm = nn.LayerNorm(hidden_size, bias=bias) if layer_norm else nn.Identity()
        self.layer_norm = layer_norm

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def step(
        self, projected: Tensor, hidden: Tensor, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        recurrent = F.linear(hidden, self.weight_hh, self.bias_hh)
        hidden = self.phi(self.norm(projected + recurrent))
        return hidden, HiddenState(hidden)

    def vendor_form(self) -> VendorForm | None:
        kinds: dict[object, Literal["rnn_tanh", "rnn_relu"]]
        kinds = {"tanh": "rnn_tanh", torch.tanh: "rnn_tanh"}
        kinds |= {"relu": "rnn_relu", torch.relu: "rnn_relu"}
        kind = kinds.get(self.activation)
        if kind is None or self.layer_norm:
            return None
        return VendorForm(kind, torch_weights(self.bias_ih is not None))

    def onnx_form(self) -> OnnxForm | None:
        names: dict[object, Literal["Tanh", "Relu", "Sigmoid"]]
        names = {"tanh": "Tanh", torch.tanh: "Tanh", "relu": "Relu", torch.relu: "Relu"}
        names |= {"sigmoid": "Sigmoid", torch.sigmoid: "Sigmoid"}
        name = names.get(self.activation)
        return None if name is None or self.layer_norm else OnnxForm("RNN", activation=name)


def torch_weights(bias: bool) -> tuple[str, ...]:
    """The names of a cell's weights in the order of torch's kernels."""
    return ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if bias else ()))
