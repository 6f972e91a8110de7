"""Cells that change, or do more than compute."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from own_cells import (
    FEATURES,
    HIDDEN,
    Own,
    Scaled,
    assert_agrees,
    mended,
    of_parts,
)
from torch import Tensor, nn

import ostinato
from ostinato.cells import Cell


def set_to(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda cell: setattr(cell, name, value)


CHANGES = [
    (lambda cell: cell.amount, {"amount": 1.0}, set_to("amount", 0.5)),
    (lambda cell: 2.0 if type(cell.amount) is bool else 1.0, {"amount": 1}, set_to("amount", True)),
    (lambda cell: 2.0 if cell.training else 1.0, {}, Cell.eval),
    (lambda cell: 2.0 if cell.training else 1.0, {"other": object()}, Cell.eval),
    (lambda cell: cell.amount, {"amount": 1.0, "other": object()}, set_to("amount", 0.5)),
    (lambda cell: cell.amounts[0], {"amounts": [1.0]}, lambda cell: cell.amounts.append(
        cell.amounts.pop() / 2)),
    (lambda cell: cell.amounts["a"], {"amounts": {"a": 1.0}},
     lambda cell: cell.amounts.update(a=2.0)),
    mended(lambda cell: 2.0 if type(cell.amount[0]) is bool else 1.0, {"amount": (1,)},
          set_to("amount", (True,)), reason="(1,) and (True,) are equal, and taken for alike"),
    mended(lambda cell: 1.0, {}, lambda cell: cell.norm.register_forward_hook(
        lambda module, given, result: result / 2), reason="hooks are not looked at"),
    mended(lambda cell: float(int(cell.count)), {"count": nn.Buffer(torch.tensor(1))},
          lambda cell: cell.count.fill_(3), reason="whole numbers in buffers are not looked at"),
]  # fmt: skip


@pytest.mark.parametrize(("factor", "parts", "change"), CHANGES)
def test_a_cell_that_changed_computes_what_it_now_says(
    factor: Any, parts: dict[str, Any], change: Any
) -> None:
    cell = Scaled(factor, **copy.deepcopy(parts))
    assert_agrees(cell, None)
    change(cell)
    assert_agrees(cell, None)


def test_a_module_that_a_cell_holds_twice_stays_what_it_is() -> None:
    linear = nn.Linear(HIDDEN, HIDDEN)
    weight = linear.weight
    cell = Own(of_parts(lambda cell, p, h: torch.tanh(p + cell.pair[0](h) * cell.pair[1](h))))
    cell.pair = nn.ModuleList([linear, linear])
    assert_agrees(cell)
    assert linear.weight is weight


def test_what_a_step_leaves_on_its_cell_is_there_afterwards() -> None:
    def factor(cell: Any) -> float:
        cell.seen = [*cell.seen, 1]
        return 1.0

    cell = Scaled(factor, seen=[])
    ostinato.Recurrent([cell])(torch.randn(1, 3, FEATURES))
    assert cell.seen == [1, 1, 1]


def test_a_buffer_that_a_step_counts_in_is_counted_in() -> None:
    def factor(cell: Any) -> Tensor:
        cell.count = cell.count + 1
        return cell.count

    cell = Scaled(factor, count=nn.Buffer(torch.zeros(HIDDEN)))
    ostinato.Recurrent([cell])(torch.randn(1, 3, FEATURES))
    assert cell.count.tolist() == [3.0] * HIDDEN
