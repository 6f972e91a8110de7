"""The functions on states that everything else is made of."""

import doctest
import importlib
import subprocess
import sys

import pytest
import torch

import ostinato
from ostinato.state import (
    Bidirectional,
    HiddenState,
    LSTMState,
    detach,
    reset,
    select,
    stack,
    tensors,
    unstack,
)


def state(samples: int) -> tuple:
    both = Bidirectional(HiddenState(torch.randn(samples, 2)), HiddenState(torch.randn(samples, 3)))
    return LSTMState(torch.randn(samples, 2), torch.randn(samples, 4)), both


def test_unstack_undoes_stack() -> None:
    whole = state(3)
    again = stack(unstack(whole))
    assert type(again[0]) is LSTMState
    assert all(torch.equal(a, b) for a, b in zip(tensors(again), tensors(whole), strict=True))


def test_select_takes_samples_in_order_and_again() -> None:
    whole = state(3)
    chosen = select(whole, torch.tensor([2, 0, 2]))
    assert torch.equal(chosen[0].memory, whole[0].memory[[2, 0, 2]])


def test_reset_replaces_where_asked() -> None:
    old, initial, where = state(3), state(3), torch.tensor([True, False, True])
    after = reset(old, where, initial)
    assert torch.equal(after[1].backward.hidden[1], old[1].backward.hidden[1])
    assert torch.equal(after[1].backward.hidden[[0, 2]], initial[1].backward.hidden[[0, 2]])


def test_detach_cuts_the_graph() -> None:
    hidden = torch.zeros(1, 2, requires_grad=True) * 2
    assert not detach((HiddenState(hidden),))[0].hidden.requires_grad


def test_stacking_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one state"):
        stack([])


def test_importing_ostinato_does_not_import_torch() -> None:
    program = "import sys, ostinato; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ostinato.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ostinato, name) is not None


@pytest.mark.parametrize(
    "module",
    [
        "state",
        "engine.unroll",
        "cells.cell",
        "layers.named",
        "layers.recurrent",
        "layers.torch_adapter",
    ],
)
def test_examples_in_docstrings_run(module: str) -> None:
    names = {"torch": torch, "ostinato": ostinato}
    result = doctest.testmod(importlib.import_module(f"ostinato.{module}"), extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0
