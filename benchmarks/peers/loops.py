"""Loops over time in plain torch, as a careful person writes them: the input's projection of all
steps at once, everything else step by step with as few operations as there can be.

They take the weights of our layers, so that both sides compute the same numbers.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import ostinato


def regularised_lstm(
    cell: ostinato.LSTMCell,
    inputs: Tensor,
    mask: Tensor | None = None,
    keep: Sequence[Tensor] | None = None,
) -> Tensor:
    """A layer-normalised LSTM, with recurrent dropout (one mask) and zoneout (a mask a step)."""
    size: int = cell.hidden_size
    hidden = memory = inputs.new_zeros(inputs.shape[0], size)
    projected = F.layer_norm(F.linear(inputs, cell.weight_ih), (4 * size,), cell.norm_ih.weight)
    projected = (projected + cell.bias_ih).unbind(1)
    kept = None if keep is None else [part.unbind(1) for part in keep]
    weight, gain = cell.weight_hh.t(), cell.norm_hh.weight
    outputs = []
    for t, step in enumerate(projected):
        seen = hidden if mask is None else hidden * mask
        recurrent = F.layer_norm(torch.mm(seen, weight), (4 * size,), gain)
        entry, forget, candidate, out = (step + recurrent).chunk(4, 1)
        following = torch.sigmoid(forget) * memory
        following = following + torch.sigmoid(entry) * torch.tanh(candidate)
        normed = F.layer_norm(following, (size,), cell.norm_memory.weight, cell.norm_memory.bias)
        new = torch.sigmoid(out) * torch.tanh(normed)
        hidden = new if kept is None else torch.lerp(new, hidden, kept[0][t])
        memory = following if kept is None else torch.lerp(following, memory, kept[1][t])
        outputs.append(hidden)
    return torch.stack(outputs, 1)


def gru_before(cell: ostinato.GRUCell, inputs: Tensor) -> Tensor:
    """A GRU whose reset gate acts before the product (Cho 2014)."""
    size: int = cell.hidden_size
    hidden = inputs.new_zeros(inputs.shape[0], size)
    bias = cell.bias_ih + cell.bias_hh
    projected = F.linear(inputs, cell.weight_ih, bias).split([2 * size, size], 2)
    weight_gates, weight_candidate = (w.t() for w in cell.weight_hh.split([2 * size, size]))
    outputs = []
    for gates, candidate in zip(projected[0].unbind(1), projected[1].unbind(1), strict=True):
        reset, update = torch.sigmoid(torch.addmm(gates, hidden, weight_gates)).chunk(2, 1)
        new = torch.tanh(torch.addmm(candidate, reset * hidden, weight_candidate))
        hidden = torch.lerp(new, hidden, update)
        outputs.append(hidden)
    return torch.stack(outputs, 1)


def packed(layer: Any, inputs: Tensor, lengths: Tensor) -> Tensor:
    """`torch.nn.LSTM` and its like on samples of different lengths."""
    rows = torch.nn.utils.rnn.pack_padded_sequence(
        inputs, lengths, batch_first=True, enforce_sorted=False
    )
    outputs, _ = layer(rows)
    return torch.nn.utils.rnn.pad_packed_sequence(
        outputs, batch_first=True, total_length=inputs.shape[1]
    )[0]


def lstm_with_resets_step_by_step(layer: Any, inputs: Tensor, resets: Tensor) -> Tensor:
    """One call of `torch.nn.LSTM` a step, its state multiplied by 0 where an episode begins: what
    sb3-contrib 2.9 does (its `_process_sequence`).
    """
    state = tuple(inputs.new_zeros(1, inputs.shape[0], layer.hidden_size) for _ in range(2))
    goes_on = (~resets).to(inputs.dtype).t().unsqueeze(2)
    outputs = []
    for t, step in enumerate(inputs.unbind(1)):
        carried = tuple(goes_on[t] * part for part in state)
        output, state = layer(step.unsqueeze(1), carried)
        outputs.append(output)
    return torch.cat(outputs, 1)


def lstm_with_resets_in_segments(layer: Any, inputs: Tensor, resets: Tensor) -> Tensor:
    """Every stretch between two resets as a sample of its own, of its own length."""
    samples, time, _ = inputs.shape
    starts = resets.clone()
    starts[:, 0] = True
    first = starts.flatten().nonzero().flatten()
    ends = torch.cat([first[1:], first.new_tensor([samples * time])])
    stretches = (
        inputs.flatten(0, 1)[a:b] for a, b in zip(first.tolist(), ends.tolist(), strict=True)
    )
    rows = torch.nn.utils.rnn.pack_sequence(list(stretches), enforce_sorted=False)
    outputs, _ = layer(rows)
    padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    real = torch.arange(padded.shape[1]) < lengths.unsqueeze(1)
    return padded[real].view(samples, time, -1)
