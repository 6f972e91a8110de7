"""torch's own fused kernels (oneDNN on the CPU, cuDNN on the GPU), where they compute the same.

A cell says so itself by `vendor_form()`. The kernels know neither resets nor samples of length 0;
both are arranged around them here: a window is cut where a reset falls, and the runs between two
cuts are handed over whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ostinato.engine.reading import Noise, Reading, Steps, Unrolled
from ostinato.state import rebuild, reset, select


@dataclass(frozen=True)
class VendorForm:
    """A cell that equals one layer of `torch.nn.LSTM`, `GRU` or `RNN`.

    `weights` names the cell's parameters in torch's order: weight_ih, weight_hh, bias_ih, bias_hh
    (or neither bias) and, for a projected LSTM, weight_hr.
    """

    kind: Literal["lstm", "gru", "rnn_tanh", "rnn_relu"]
    weights: tuple[str, ...]

    @property
    def has_biases(self) -> bool:
        return "bias_ih" in self.weights


def unroll_vendor(
    cell: Steps, inputs: Tensor, state: Any, reading: Reading, noise: Noise
) -> Unrolled:
    """Run `cell` over `inputs` (batch, time, feature), forward, in torch's fused kernel.

    The states of all steps are returned where the output is the whole state (GRU, RNN), else None.
    """
    form: VendorForm = cell.vendor_form()  # pyright: ignore[reportAttributeAccessIssue]
    weights = [noise.weights.get(name, getattr(cell, name)) for name in form.weights]
    cuts = _cuts(reading, inputs.shape[1])
    outputs = []
    for start, stop in pairwise(cuts):
        lengths = reading.lengths
        if reading.resets is not None:
            where = reading.resets[:, start]
            if lengths is not None:
                where = where & (lengths > start)
            state = reset(state, where, reading.initial_state)
        if lengths is not None:
            lengths = (lengths - start).clamp(0, stop - start)
        piece, state = _run(form, inputs[:, start:stop], state, weights, lengths)
        outputs.append(piece)
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)
    return Unrolled(joined, state, None)


def _cuts(reading: Reading, time: int) -> list[int]:
    """0, the steps at which some sample is reset, and `time`."""
    if reading.resets is None:
        return [0, time]
    columns = reading.resets.any(0).nonzero().flatten().tolist()
    return sorted({0, *columns, time})


def _run(
    form: VendorForm,
    inputs: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
) -> tuple[Tensor, Any]:
    if lengths is None:
        return _whole(form, inputs, state, weights)
    if bool((lengths == inputs.shape[1]).all()):
        return _whole(form, inputs, state, weights)
    return _packed(form, inputs, state, weights, lengths)


def _whole(
    form: VendorForm, inputs: Tensor, state: Any, weights: Sequence[Tensor]
) -> tuple[Tensor, Any]:
    kernel = getattr(torch._VF, form.kind)  # pyright: ignore[reportPrivateUsage]
    # Training mode even in evaluation: with no dropout it computes the same, and cuDNN gives
    # gradients in that mode only.
    options = (form.has_biases, 1, 0.0, True, False, True)
    outputs, *final = kernel(inputs, _to_torch(form, state), list(weights), *options)
    return outputs, _from_torch(state, final)


def _packed(
    form: VendorForm,
    inputs: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    lengths: Tensor,
) -> tuple[Tensor, Any]:
    """Samples of different lengths; those of length 0 are left out and keep their state."""
    real = lengths.nonzero().flatten()
    if real.numel() == 0:
        return _nothing(inputs, state), state
    packed = pack_padded_sequence(
        inputs[real], lengths[real].cpu(), batch_first=True, enforce_sorted=False
    )
    assert packed.sorted_indices is not None
    assert packed.unsorted_indices is not None
    kernel = getattr(torch._VF, form.kind)  # pyright: ignore[reportPrivateUsage]
    start = _to_torch(form, select(select(state, real), packed.sorted_indices))
    options = (form.has_biases, 1, 0.0, True, False)
    data, *final = kernel(packed.data, packed.batch_sizes, start, list(weights), *options)
    outputs, _ = pad_packed_sequence(
        PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices),
        batch_first=True,
        total_length=inputs.shape[1],
    )
    ended = select(_from_torch(state, final), packed.unsorted_indices)
    if real.numel() == inputs.shape[0]:
        return outputs, ended
    parts = [old.index_copy(0, real, new) for old, new in zip(state, ended, strict=True)]
    padded = _nothing(inputs, state).to(outputs.dtype).index_copy(0, real, outputs)
    return padded, rebuild(state, parts)


def _nothing(inputs: Tensor, state: Any) -> Tensor:
    return inputs.new_zeros(*inputs.shape[:2], state[0].shape[1])


def _to_torch(form: VendorForm, state: Any) -> Any:
    parts = tuple(part.unsqueeze(0) for part in state)
    return parts if form.kind == "lstm" else parts[0]


def _from_torch(like: Any, parts: Sequence[Tensor]) -> Any:
    """torch's final state, (1, batch, size) a part, as the cell's, in the cell's precision."""
    matched = zip(like, parts, strict=True)
    return rebuild(like, [part.squeeze(0).to(old.dtype) for old, part in matched])
