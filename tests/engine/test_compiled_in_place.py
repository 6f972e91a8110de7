"""What comes out may be changed in place, as that of torch's layers."""

import copy
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from own_cells import assert_same, lstm
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


@pytest.mark.parametrize(
    "lengths",
    [None, torch.tensor([3, 3]), torch.tensor([3, 1])],
    ids=["whole", "full lengths", "lengths"],
)
@pytest.mark.parametrize("surrounding", [nullcontext, torch.autograd.graph.save_on_cpu])
def test_an_activation_in_place_has_the_gradient_of_one_that_is_not(
    lengths: Any, surrounding: Any
) -> None:
    layer, inputs = ostinato.LSTM(3, 4).double(), torch.randn(2, 3, 3, dtype=torch.float64)
    leaves = [inputs.requires_grad_(), *layer.parameters()]

    def gradients(activation: Any) -> Any:
        with surrounding():
            outputs = layer(inputs, lengths=lengths)[0]
            return torch.autograd.grad(activation(outputs).square().sum(), leaves)

    assert_same(gradients(F.relu_), gradients(F.relu))


def test_an_output_made_without_gradients_may_be_changed_with_one() -> None:
    with torch.no_grad():
        outputs = ostinato.GRU(3, 4)(torch.randn(2, 3, 3))[0]
    weight = torch.ones(4, requires_grad=True)
    outputs.mul_(weight).sum().backward()
    assert weight.grad is not None
