"""Clipping by norm and by value."""

import torch
from torch import nn

from ostinato.training import Clipping


def test_clipping_scales_to_the_norm_and_tells() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    norm, clipped = Clipping(norm=1.0).apply([parameter])
    assert (norm.item(), clipped.item()) == (5.0, True)
    torch.testing.assert_close(parameter.grad, torch.tensor([0.6, 0.8]), rtol=0, atol=1e-5)


def test_clipping_cuts_values_and_tells() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([-3.0, 0.25])
    _, clipped = Clipping(value=0.5).apply([parameter])
    assert clipped.item()
    assert parameter.grad.tolist() == [-0.5, 0.25]


def test_no_clipping_leaves_the_gradient() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    _, clipped = Clipping().apply([parameter])
    assert not clipped.item()
    assert parameter.grad.tolist() == [3.0, 4.0]
