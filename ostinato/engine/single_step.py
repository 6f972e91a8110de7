"""One time step of a cell as it is written, or in torch's own function of one step.

Where tokens are written one after the other, each step is a call of its own and what a call costs
counts. Where a cell equals torch's LSTM, GRU or RNN and no gradient is kept, one function of torch
does what the cell's step does in a dozen.
"""

from typing import Any

import torch
from torch import _C, Tensor

from ostinato.engine.choose import vendor_obstacle
from ostinato.engine.compiled import is_plain_call
from ostinato.engine.precision import Products, computing_products
from ostinato.engine.reading import Noise, Steps
from ostinato.engine.reference import noisy_step, weights_replaced
from ostinato.engine.vendor import VendorForm
from ostinato.state import rebuild

_FUNCTIONS = {
    "lstm": torch.lstm_cell,
    "gru": torch.gru_cell,
    "rnn_tanh": torch.rnn_tanh_cell,
    "rnn_relu": torch.rnn_relu_cell,
}


def single_step(
    cell: Steps,
    step_input: Tensor,
    state: Any,
    noise: Noise,
    *,
    engine: str | None = None,
    products: Products | None = None,
) -> tuple[Tensor, Any]:
    """The output of one step, and the state after it.

    Args:
        cell: any.
        step_input: (batch, feature).
        state: before the step.
        noise: masks of this one step.
        engine: None: torch's function where it computes the same. Any other: the cell's own step.
        products: as `unroll` takes them.
    """
    given = engine is not None or products is not None
    weights = None if given else _fused_weights(cell, step_input, state, noise)
    if weights is not None:
        form: VendorForm = cell.vendor_form()  # pyright: ignore[reportAttributeAccessIssue]
        before = tuple(state) if form.kind == "lstm" else state[0]
        after = _FUNCTIONS[form.kind](step_input, before, *weights)
        parts = after if form.kind == "lstm" else (after,)
        return parts[0], rebuild(state, parts)
    with weights_replaced(cell, noise), computing_products(products, step_input.device.type):
        return noisy_step(cell, cell.project(step_input), state, noise)


def _fused_weights(
    cell: Steps, step_input: Tensor, state: Any, noise: Noise
) -> list[Tensor] | None:
    """The cell's weights as torch's function takes them; None where it would not do the same."""
    if torch.is_grad_enabled() or not is_plain_call() or _C._get_tracing_state() is not None:
        return None
    if noise.weights or torch.is_autocast_enabled(step_input.device.type):
        return None
    if vendor_obstacle(cell, noise, all_states=False) is not None:
        return None
    form: VendorForm = cell.vendor_form()  # pyright: ignore[reportAttributeAccessIssue]
    weights = [getattr(cell, name) for name in form.weights]
    kinds = {part.dtype for part in (step_input, *state, *weights)}
    return None if len(kinds) > 1 or "weight_hr" in form.weights else weights
