"""Cells that change, or do more than compute."""

import copy
from collections.abc import Callable
from types import MethodType, SimpleNamespace
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
    reason_of,
)
from torch import Tensor, nn

import ostinato
from ostinato.cells import Cell
from ostinato.state import HiddenState


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


class Counting(Scaled):
    """A step that leaves something behind, in the way it is told."""

    def step(self, projected: Tensor, hidden: Tensor, state: HiddenState) -> Any:
        if self.way == "an attribute":
            self.count = self.count + 1
        if self.way == "a list":
            self.seen.append(1)
        if self.way == "a buffer set":
            self.total = self.total + 1
        if self.way == "a buffer in place":
            self.total.add_(1)
        if self.way == "an object's attribute":
            self.holder.count += 1
        return super().step(projected, hidden, state)


LEFT = {
    "an attribute": ("'count'", lambda cell: cell.count, "self.count = self.count + 1"),
    "a list": ("'seen'", lambda cell: len(cell.seen), ""),
    "a buffer set": ("'total'", lambda cell: int(cell.total[0]), "self.total = self.total + 1"),
    "a buffer in place": (
        "a tensor of its cell",
        lambda cell: int(cell.total[0]),
        "self.total.add_(1)",
    ),
    "an object's attribute": ("'holder'", lambda cell: cell.holder.count, ""),
}


@pytest.mark.parametrize("way", LEFT)
def test_a_step_that_leaves_something_behind_runs_step_by_step_and_says_where(way: str) -> None:
    name, count, line = LEFT[way]
    cell = Counting(
        lambda cell: 1.0,
        way=way,
        count=0,
        seen=[],
        total=nn.Buffer(torch.zeros(HIDDEN)),
        holder=SimpleNamespace(count=0),
    )
    reason = reason_of(cell)
    assert reason.startswith("reference: compiled: the step changes ")
    assert name in reason
    assert line in reason
    ostinato.Recurrent([cell])(torch.randn(1, 3, FEATURES))
    assert count(cell) == 3


def test_a_hook_within_a_cell_is_named_and_sees_every_step() -> None:
    seen: list[Any] = []
    cell = Scaled(lambda cell: 1.0)
    cell.norm.register_forward_hook(lambda module, given, result: seen.append(result))
    assert "the cell's norm has a hook" in reason_of(cell)
    seen.clear()
    ostinato.Recurrent([cell])(torch.randn(1, 3, FEATURES))
    assert len(seen) == 3


def test_a_step_replaced_on_its_class_or_its_cell_is_the_one_that_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = Scaled(lambda cell: 1.0)
    assert_agrees(cell)

    def half(self: Any, projected: Tensor, hidden: Tensor, state: HiddenState) -> Any:
        following = torch.tanh(projected + hidden) / 2
        return following, HiddenState(following)

    monkeypatch.setattr(Scaled, "step", half)
    assert_agrees(cell)
    monkeypatch.undo()
    assert_agrees(cell)
    cell.step = MethodType(half, cell)
    assert_agrees(cell)


def test_a_cell_with_an_object_of_its_own_follows_what_that_holds() -> None:
    cell = Scaled(lambda cell: cell.options.factor, options=SimpleNamespace(factor=1.0))
    assert_agrees(cell)
    cell.options.factor = 0.5
    assert_agrees(cell)
    cell.options = SimpleNamespace(factor=2.0)
    assert_agrees(cell)
