"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers 2000)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.cell import Cell, check_size
from ostinato.cells.rnn import torch_weights
from ostinato.engine import OnnxForm, VendorForm
from ostinato.errors import SettingsError
from ostinato.state import LSTMState


class LSTMCell(Cell):
    """Long short-term memory.

        I_t  = sigmoid(X_t W_xi + H_{t-1} W_hi + b_i)        input gate
        F_t  = sigmoid(X_t W_xf + H_{t-1} W_hf + b_f)        forget gate
        C~_t = tanh(X_t W_xc + H_{t-1} W_hc + b_c)           candidate
        O_t  = sigmoid(X_t W_xo + H_{t-1} W_ho + b_o)        output gate
        C_t  = F_t * C_{t-1} + I_t * C~_t                    memory
        H_t  = O_t * tanh(C_t)                               hidden state

    The four parts lie in `weight_ih`, `weight_hh` and the biases in this order, as in `torch.nn`.
    Each gate has two biases, `bias_ih` and `bias_hh`, which add up to b.

    Args:
        input_size, hidden_size: features of an input step, units of memory.
        bias: False leaves the biases out.
        peepholes: the gates also see the memory, a weight a unit: p_i * C_{t-1} is added in I_t,
            p_f * C_{t-1} in F_t, p_o * C_t in O_t (Gers 2002).
        projection_size: H_t = (O_t * tanh(C_t)) W_hr of this size, smaller than hidden_size
            (Sak 2014). None: no projection.
        layer_norm: the gates see norm(X_t W_x) + norm(H_{t-1} W_h) + b, each norm over all four
            parts with a gain of its own, and H_t = O_t * tanh(norm(C_t)), with gain and bias
            (Ba 2016, equations 20 to 22).
        forget_bias: b_f starts at this value: 1 lets the memory stay at first (Jozefowicz
            2015). None: drawn like the other biases.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        peepholes: bool = False,
        projection_size: int | None = None,
        layer_norm: bool = False,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.output_size = _output_size(hidden_size, projection_size)
        self.state_sizes = LSTMState(self.output_size, hidden_size)
        self.weight_ih = self.weight(4 * hidden_size, input_size)
        self.weight_hh = self.weight(4 * hidden_size, self.output_size)
        self.bias_ih = self.weight(4 * hidden_size) if bias else None
        self.bias_hh = self.weight(4 * hidden_size) if bias and not layer_norm else None
        self.peephole_input = self.weight(hidden_size) if peepholes else None
        self.peephole_forget = self.weight(hidden_size) if peepholes else None
        self.peephole_output = self.weight(hidden_size) if peepholes else None
        projected = projection_size is not None
        self.weight_hr = self.weight(self.output_size, hidden_size) if projected else None
        self.layer_norm = layer_norm
        self.norm_ih = nn.LayerNorm(4 * hidden_size, bias=False) if layer_norm else nn.Identity()
        self.norm_hh = nn.LayerNorm(4 * hidden_size, bias=False) if layer_norm else nn.Identity()
        self.norm_memory = nn.LayerNorm(hidden_size) if layer_norm else nn.Identity()
        if forget_bias is not None:
            self._set_forget_bias(forget_bias)

    def project(self, inputs: Tensor) -> Tensor:
        if not self.layer_norm:
            return F.linear(inputs, self.weight_ih, self.bias_ih)
        normed = self.norm_ih(F.linear(inputs, self.weight_ih))
        return normed if self.bias_ih is None else normed + self.bias_ih

    def step(self, projected: Tensor, hidden: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        recurrent = self.norm_hh(F.linear(hidden, self.weight_hh, self.bias_hh))
        input_gate, forget_gate, candidate, output_gate = (projected + recurrent).chunk(4, -1)
        if self.peephole_input is not None and self.peephole_forget is not None:
            input_gate = input_gate + self.peephole_input * state.memory
            forget_gate = forget_gate + self.peephole_forget * state.memory
        kept = torch.sigmoid(forget_gate) * state.memory
        memory = kept + torch.sigmoid(input_gate) * torch.tanh(candidate)
        if self.peephole_output is not None:
            output_gate = output_gate + self.peephole_output * memory
        hidden = torch.sigmoid(output_gate) * torch.tanh(self.norm_memory(memory))
        if self.weight_hr is not None:
            hidden = F.linear(hidden, self.weight_hr)
        return hidden, LSTMState(hidden, memory)

    def vendor_form(self) -> VendorForm | None:
        if self.layer_norm or self.peephole_input is not None:
            return None
        projection = ("weight_hr",) if self.weight_hr is not None else ()
        return VendorForm("lstm", torch_weights(self.bias_ih is not None) + projection)

    def onnx_form(self) -> OnnxForm | None:
        if self.layer_norm or self.weight_hr is not None:
            return None
        names = ("peephole_input", "peephole_output", "peephole_forget")
        return OnnxForm("LSTM", peepholes=names if self.peephole_input is not None else ())

    def _set_forget_bias(self, value: float) -> None:
        if self.bias_ih is None:
            raise SettingsError("forget_bias needs biases, and this cell was made with bias=False")
        forget = slice(self.hidden_size, 2 * self.hidden_size)
        with torch.no_grad():
            self.bias_ih[forget] = value
            if self.bias_hh is not None:
                self.bias_hh[forget] = 0.0


def _output_size(hidden_size: int, projection_size: int | None) -> int:
    if projection_size is None:
        return hidden_size
    check_size("projection_size", projection_size)
    if projection_size >= hidden_size:
        raise SettingsError(
            f"projection_size must be smaller than hidden_size, "
            f"got {projection_size} and {hidden_size}"
        )
    return projection_size
