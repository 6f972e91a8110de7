"""The minimal gated unit (Zhou 2016): a GRU whose one gate does the work of two."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.cell import Cell
from ostinato.state import HiddenState


class MinimalGatedUnitCell(Cell):
    """The minimal gated unit.

        F_t = sigmoid(X_t W_xf + H_{t-1} W_hf + b_f)              forget gate
        N_t = tanh(X_t W_xn + (F_t * H_{t-1}) W_hn + b_n)         candidate
        H_t = (1 - F_t) * H_{t-1} + F_t * N_t                     hidden state

    The two parts lie in the weights in this order. A forget gate of one forgets, H_t being then the
    candidate; the forget gate of `LSTMCell` means the opposite.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        bias: False leaves b_f and b_n out.

    Source: Zhou et al. 2016, section 3.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(2 * hidden_size, input_size)
        self.weight_hh = self.weight(2 * hidden_size, hidden_size)
        self.bias_ih = self.weight(2 * hidden_size) if bias else None

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def step(
        self, projected: Tensor, hidden: Tensor, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        forget_gate, candidate = projected.chunk(2, -1)
        weight_forget, weight_candidate = self.weight_hh.split(self.hidden_size)
        forget = torch.sigmoid(forget_gate + F.linear(hidden, weight_forget))
        candidate = torch.tanh(candidate + F.linear(forget * hidden, weight_candidate))
        hidden = (1 - forget) * state.hidden + forget * candidate
        return hidden, HiddenState(hidden)
