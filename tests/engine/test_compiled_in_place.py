"""What comes out may be changed in place, as that of torch's layers."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from own_cells import (
    lstm,
)
from torch import nn

import ostinato
from ostinato.engine import unroll


def test_outputs_changed_in_place_leave_the_states_as_they_were() -> None:
    with torch.no_grad():
        found = unroll(lstm(), torch.randn(2, 3, 3).double(), all_states=True)
        before = found.states.hidden.clone()
        found.outputs.add_(1)
    assert torch.equal(found.states.hidden, before)


@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN])
def test_an_activation_in_place_follows_a_replaced_layer_as_it_does_torch_s(kind: Any) -> None:
    theirs = kind(3, 4)
    ours = ostinato.replace(copy.deepcopy(theirs))
    inputs = torch.randn(5, 2, 3)
    F.relu_(theirs(inputs)[0]).sum().backward()
    F.relu_(ours(inputs)[0]).sum().backward()
