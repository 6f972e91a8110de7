"""The minGRU (Feng 2024): a GRU whose gate and candidate see the input alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.linear_recurrence import LinearRecurrenceCell, positive


class MinGRUCell(LinearRecurrenceCell):
    """The minGRU.

        Z_t = sigmoid(X_t W_z + b_z)                         update gate
        N_t = g(X_t W_n + b_n)                               candidate
        H_t = (1 - Z_t) * H_{t-1} + Z_t * N_t                hidden state

        g(x) = x + 0.5 where x >= 0, else sigmoid(x)

    The two parts lie in the weights in this order. An update gate of one takes the candidate whole,
    the other way round than in `GRUCell`. The initial state is zero; from there H_t stays positive.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        bias: False leaves b_z and b_n out.

    Source: Feng et al. 2024, section 3.1, with the positive g of appendix B. The paper scans
    logarithms; ours scans the numbers themselves, which for decays within 0 and 1 is as safe.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(2 * hidden_size, input_size)
        self.bias_ih = self.weight(2 * hidden_size) if bias else None

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def linear_form(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        update_gate, candidate = projected.chunk(2, -1)
        update = torch.sigmoid(update_gate)
        return 1 - update, update * positive(candidate)
