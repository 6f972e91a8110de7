"""The gated recurrent unit (Cho 2014), in both of its published forms."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.cell import Cell
from ostinato.cells.rnn import torch_weights
from ostinato.engine import OnnxForm, VendorForm
from ostinato.errors import SettingsError
from ostinato.state import HiddenState


class GRUCell(Cell):
    """The gated recurrent unit.

        R_t = sigmoid(X_t W_xr + b_xr + H_{t-1} W_hr + b_hr)            reset gate
        Z_t = sigmoid(X_t W_xz + b_xz + H_{t-1} W_hz + b_hz)            update gate
        N_t = tanh(X_t W_xn + b_xn + R_t * (H_{t-1} W_hn + b_hn))       candidate, reset after
        N_t = tanh(X_t W_xn + b_xn + (R_t * H_{t-1}) W_hn + b_hn)       candidate, reset before
        H_t = Z_t * H_{t-1} + (1 - Z_t) * N_t                           hidden state

    The three parts lie in the weights in this order, as in `torch.nn`. An update gate of one keeps
    the hidden state; papers differ on this, and we follow `torch.nn` and cuDNN.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        reset: "after" the recurrent product, as in `torch.nn` and cuDNN, or "before" it, as in
            Cho 2014, equation 8. The weights have the same shapes but another meaning.
        bias: False leaves the biases out.
        layer_norm: each product with X_t and with H_{t-1} is normalised, with a gain: the two
            gates together, the candidate by itself (Ba 2016, supplement); one bias is added.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: Literal["after", "before"] = "after",
        bias: bool = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if reset not in ("after", "before"):
            raise SettingsError(f'reset must be "after" or "before", got {reset!r}')
        self.reset = reset
        self.layer_norm = layer_norm
        self.weight_ih = self.weight(3 * hidden_size, input_size)
        self.weight_hh = self.weight(3 * hidden_size, hidden_size)
        self.bias_ih = self.weight(3 * hidden_size) if bias else None
        self.bias_hh = self.weight(3 * hidden_size) if bias and not layer_norm else None
        self.norm_ih_gates = _norm(2 * hidden_size, layer_norm)
        self.norm_ih_candidate = _norm(hidden_size, layer_norm)
        self.norm_hh_gates = _norm(2 * hidden_size, layer_norm)
        self.norm_hh_candidate = _norm(hidden_size, layer_norm)
        # Both forms have the same names and shapes; kept with the weights, so that one is never
        # loaded as the other.
        self.resets_before: Tensor
        self.register_buffer("resets_before", torch.tensor(reset == "before"))
        self.register_load_state_dict_pre_hook(_refuse_other_form)

    def project(self, inputs: Tensor) -> Tensor:
        if not self.layer_norm:
            return F.linear(inputs, self.weight_ih, self.bias_ih)
        gates, candidate = self._split(F.linear(inputs, self.weight_ih))
        normed = torch.cat([self.norm_ih_gates(gates), self.norm_ih_candidate(candidate)], -1)
        return normed if self.bias_ih is None else normed + self.bias_ih

    def step(
        self, projected: Tensor, hidden: Tensor, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        return (self._step_after if self.reset == "after" else self._step_before)(
            projected, hidden, state
        )

    def _step_after(
        self, projected: Tensor, hidden: Tensor, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        gates, candidate = self._split(projected)
        recurrent, product = self._split(F.linear(hidden, self.weight_hh, self.bias_hh))
        reset, update = torch.sigmoid(gates + self.norm_hh_gates(recurrent)).chunk(2, -1)
        candidate = torch.tanh(candidate + reset * self.norm_hh_candidate(product))
        hidden = update * state.hidden + (1 - update) * candidate
        return hidden, HiddenState(hidden)

    def _step_before(
        self, projected: Tensor, hidden: Tensor, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        gates, candidate = self._split(projected)
        weight_gates, weight_candidate = self._split(self.weight_hh, 0)
        bias_gates, bias_candidate = None, None
        if self.bias_hh is not None:
            bias_gates, bias_candidate = self._split(self.bias_hh)
        recurrent = F.linear(hidden, weight_gates, bias_gates)
        reset, update = torch.sigmoid(gates + self.norm_hh_gates(recurrent)).chunk(2, -1)
        product = F.linear(reset * hidden, weight_candidate, bias_candidate)
        candidate = torch.tanh(candidate + self.norm_hh_candidate(product))
        hidden = update * state.hidden + (1 - update) * candidate
        return hidden, HiddenState(hidden)

    def vendor_form(self) -> VendorForm | None:
        if self.layer_norm or self.reset == "before":
            return None
        return VendorForm("gru", torch_weights(self.bias_ih is not None))

    def onnx_form(self) -> OnnxForm | None:
        if self.layer_norm:
            return None
        return OnnxForm("GRU", linear_before_reset=self.reset == "after")

    def _split(self, preactivation: Tensor, axis: int = -1) -> tuple[Tensor, Tensor]:
        """The part of both gates and the part of the candidate."""
        gates, candidate = preactivation.split([2 * self.hidden_size, self.hidden_size], axis)
        return gates, candidate

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, reset={self.reset!r}"


def _refuse_other_form(
    cell: nn.Module,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: Any,
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_messages: list[str],
) -> None:
    """Called by torch before it loads a state dict into a GRUCell."""
    stored = state_dict.get(f"{prefix}resets_before")
    if stored is not None and bool(stored) != (cell.reset == "before"):
        form = "before" if bool(stored) else "after"
        error_messages.append(
            f"{prefix}weight_hh was trained with reset={form!r} and this cell has "
            f"reset={cell.reset!r}: the same shapes, another meaning"
        )


def _norm(size: int, layer_norm: bool) -> nn.Module:
    return nn.LayerNorm(size, bias=False) if layer_norm else nn.Identity()
