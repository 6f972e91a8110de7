"""The simple recurrent unit (Lei 2018): no product with a matrix inside the loop over time."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.cell import Cell
from ostinato.state import MemoryState


class SRUCell(Cell):
    """The simple recurrent unit.

        F_t = sigmoid(X_t W_f + v_f * C_{t-1} + b_f)         forget gate
        R_t = sigmoid(X_t W_r + v_r * C_{t-1} + b_r)         highway gate (the paper's reset gate)
        C_t = F_t * C_{t-1} + (1 - F_t) * (X_t W_c)          memory
        H_t = R_t * C_t + (1 - R_t) * X'_t                   hidden state

    X'_t is X_t where input_size and hidden_size are equal, otherwise X_t W_x. The parts lie in
    `weight_ih` in the order forget, highway, candidate (W_c), input (W_x); in `bias_ih` forget,
    highway. The next step reads the memory alone, so that is the whole state, and recurrent dropout
    has nothing to drop.

    Args:
        input_size, hidden_size: features of an input step, units of memory.
        bias: False leaves b_f and b_r out.

    Source: Lei et al. 2018, equations 1 to 4, without the constant that scales X_t (section 3.2).
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.state_sizes = MemoryState(hidden_size)
        parts = 3 if input_size == hidden_size else 4
        self.weight_ih = self.weight(parts * hidden_size, input_size)
        self.bias_ih = self.weight(2 * hidden_size) if bias else None
        self.peephole_forget = self.weight(hidden_size)
        self.peephole_highway = self.weight(hidden_size)

    def project(self, inputs: Tensor) -> Tensor:
        """Both gates' preactivations, the candidate and X'_t side by side: (..., 4 * hidden)."""
        gates, rest = F.linear(inputs, self.weight_ih).tensor_split([2 * self.hidden_size], -1)
        gates = gates if self.bias_ih is None else gates + self.bias_ih
        highway = [inputs.to(rest.dtype)] if self.input_size == self.hidden_size else []
        return torch.cat([gates, rest, *highway], -1)

    def step(
        self, projected: Tensor, hidden: Any, state: MemoryState
    ) -> tuple[Tensor, MemoryState]:
        forget_gate, highway_gate, candidate, highway_input = projected.chunk(4, -1)
        forget = torch.sigmoid(forget_gate + self.peephole_forget * state.memory)
        highway = torch.sigmoid(highway_gate + self.peephole_highway * state.memory)
        memory = forget * state.memory + (1 - forget) * candidate
        return highway * memory + (1 - highway) * highway_input, MemoryState(memory)
