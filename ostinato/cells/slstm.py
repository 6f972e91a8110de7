"""The sLSTM (Beck 2024): an LSTM with an exponential input gate and a normalised memory."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.cell import Cell, check_size
from ostinato.errors import SettingsError
from ostinato.state import SLSTMState

# exp(30) and its square are finite in float32 and bfloat16.
_LARGEST_EXPONENT = 30.0


class SLSTMCell(Cell):
    """The scalar LSTM of the xLSTM.

        i_t = X_t W_xi + H_{t-1} W_hi + b_i                  input gate, I_t = exp(i_t)
        f_t = X_t W_xf + H_{t-1} W_hf + b_f                  forget gate, F_t = sigmoid or exp
        Z_t = tanh(X_t W_xz + H_{t-1} W_hz + b_z)            candidate
        O_t = sigmoid(X_t W_xo + H_{t-1} W_ho + b_o)         output gate
        M_t = max(log F_t + M_{t-1}, i_t)                    stabiliser
        I'_t = exp(i_t - M_t)
        F'_t = exp(log F_t + M_{t-1} - M_t)
        C_t = F'_t * C_{t-1} + I'_t * Z_t                    memory
        N_t = F'_t * N_{t-1} + I'_t                          normaliser
        H_t = O_t * C_t / N_t                                hidden state

    The four parts lie in `weight_ih` and the bias in the order input, forget, candidate, output, as
    in `LSTMCell`. The memory and the normaliser are kept divided by exp(M_t), which cancels in H_t
    and keeps both exponentials at 1 or below.

    The initial state is zero in all four parts. Where the normaliser is zero, nothing is stored yet
    and M_{t-1} is the scale of nothing: M_t is then i_t, which makes N_t at least 1. From there on
    one of I'_t and F'_t is always 1, so N_t stays at 1 or above and H_t never is 0 / 0, however far
    below zero the first input gate lies. Give zoneout for the hidden state alone: the other three
    parts belong together. A learned initial state learns the normaliser too, of any sign.

    Args:
        input_size, hidden_size: features of an input step, units of memory.
        heads: the hidden units form this many blocks of equal size, and the recurrent weights mix
            each block with itself only: `weight_hh` is (heads, 4 * size, size), size =
            hidden_size / heads. 1: every unit with every other.
        forget: the forget gate, "sigmoid" or "exponential".
        bias: False leaves the biases out.

    Source: Beck et al. 2024, equations 8 to 17, heads as in section 2.2; without the group
    normalisation and the projections that their block puts around the cell.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        forget: Literal["sigmoid", "exponential"] = "sigmoid",
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size)
        check_size("heads", heads)
        if hidden_size % heads:
            raise SettingsError(f"heads must divide hidden_size, got {heads} and {hidden_size}")
        if forget not in ("sigmoid", "exponential"):
            raise SettingsError(f'forget must be "sigmoid" or "exponential", got {forget!r}')
        self.heads = heads
        self.forget = forget
        self.state_sizes = SLSTMState(hidden_size, hidden_size, hidden_size, hidden_size)
        self.weight_ih = self.weight(4 * hidden_size, input_size)
        self.weight_hh = self.weight(heads, 4 * hidden_size // heads, hidden_size // heads)
        self.bias_ih = self.weight(4 * hidden_size) if bias else None

    def project(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def step(
        self, projected: Tensor, hidden: Tensor, state: SLSTMState
    ) -> tuple[Tensor, SLSTMState]:
        gates = projected + self._recurrent(hidden)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, -1)
        log_forget = F.logsigmoid(forget_gate) if self.forget == "sigmoid" else forget_gate
        carried = log_forget + state.stabiliser
        largest = torch.maximum(carried, input_gate)
        stabiliser = torch.where(state.normaliser == 0, input_gate, largest)
        # Above zero only where nothing is stored; kept finite there, as inf * 0 is not 0.
        exponent = torch.clamp(carried - stabiliser, max=_LARGEST_EXPONENT)
        kept, taken = torch.exp(exponent), torch.exp(input_gate - stabiliser)
        memory = kept * state.memory + taken * torch.tanh(candidate)
        normaliser = kept * state.normaliser + taken
        hidden = torch.sigmoid(output_gate) * (memory / normaliser)
        return hidden, SLSTMState(hidden, memory, normaliser, stabiliser)

    def _recurrent(self, hidden: Tensor) -> Tensor:
        """H_{t-1} W_h, block by block, in the order of the gates."""
        products = [
            F.linear(block, self.weight_hh[head]).chunk(4, -1)
            for head, block in enumerate(hidden.chunk(self.heads, -1))
        ]
        return torch.cat([block for gate in zip(*products, strict=True) for block in gate], -1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, heads={self.heads}, forget={self.forget!r}"
