"""torch's calling convention: packed sequences."""

import copy
from typing import Any

import pytest
import torch
from own_cells import (
    assert_same,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import ostinato
from ostinato.layers.torch_weights import torch_parameters
from ostinato.state import tensors


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_replaced_layer_reads_packed_sequences_as_torch_does(kind: Any, in_order: bool) -> None:
    theirs = kind(3, 4, num_layers=2, bidirectional=True).double()
    ours: Any = ostinato.replace(copy.deepcopy(theirs))
    lengths = [5, 3, 1] if in_order else [1, 5, 3]
    sequences = [torch.randn(length, 3, dtype=torch.float64) for length in lengths]
    packed = pack_sequence(sequences, enforce_sorted=in_order)

    def results(layer: Any) -> list[Tensor]:
        outputs, final = layer(packed)
        assert isinstance(outputs, PackedSequence)
        loss = outputs.data.square().sum() + sum(part.sum() for part in tensors(final))
        return [outputs.data, outputs.batch_sizes, *tensors(final), loss]

    mine, expected = results(ours), results(theirs)
    assert_same(mine, expected)
    own = torch_parameters(ours.layer)
    names, parameters = zip(*theirs.named_parameters(), strict=True)
    assert_same(
        torch.autograd.grad(mine[-1], [own[name] for name in names]),
        torch.autograd.grad(expected[-1], parameters),
    )
    assert {choice.engine for choice in ours.layer.engine_choices()} == {"compiled"}
