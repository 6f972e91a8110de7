"""The minLSTM (Feng 2024): an LSTM whose gates and candidate see the input alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.linear_recurrence import LinearRecurrenceCell, positive


class MinLSTMCell(LinearRecurrenceCell):
    """The minLSTM.

        I_t = sigmoid(X_t W_i + b_i)                                      input gate
        F_t = sigmoid(X_t W_f + b_f)                                      forget gate
        N_t = g(X_t W_n + b_n)                                            candidate
        H_t = F_t / (F_t + I_t) * H_{t-1} + I_t / (F_t + I_t) * N_t       hidden state

        g(x) = x + 0.5 where x >= 0, else sigmoid(x)

    The three parts lie in the weights in this order, as in `LSTMCell`. There is no output gate, and
    no memory beside the hidden state. The initial state is zero; from there H_t stays positive.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        bias: False leaves the biases out.

    Source: Feng et al. 2024, section 3.2, with the positive g of appendix B.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(3 * hidden_size, input_size)
        self.bias_ih = self.weight(3 * hidden_size) if bias else None

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def linear_form(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        input_gate, forget_gate, candidate = projected.chunk(3, -1)
        # F / (F + I) = sigmoid(log F - log I), which two gates near zero do not make 0 / 0.
        decay = torch.sigmoid(F.logsigmoid(forget_gate) - F.logsigmoid(input_gate))
        return decay, (1 - decay) * positive(candidate)
