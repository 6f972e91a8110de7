"""What a cell says of itself: that an operator of ONNX computes the same."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OnnxForm:
    """A cell that equals one direction of ONNX's LSTM, GRU or RNN.

    Its weights are `weight_ih` and `weight_hh`, its biases, if it has them, `bias_ih` and
    `bias_hh`, with the gates in our order.

    Args:
        operator: ONNX's name of it.
        peepholes: the names of the weights of the input, output and forget gate; () : none.
        linear_before_reset: a GRU that resets after the recurrent product.
        activation: of an RNN, by ONNX's name.
    """

    operator: Literal["LSTM", "GRU", "RNN"]
    peepholes: tuple[str, ...] = ()
    linear_before_reset: bool = False
    activation: Literal["Tanh", "Relu", "Sigmoid"] = "Tanh"
