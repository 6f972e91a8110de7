"""What a step may be made of: it compiles and is right, or runs elsewhere and is right."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from own_cells import (
    FEATURES,
    HIDDEN,
    Own,
    Two,
    assert_agrees,
    mended,
    of_parts,
    of_sum,
    of_two,
    plain,
)
from torch import Tensor, nn

from ostinato.cells import Cell, GRUCell
from ostinato.state import HiddenState


def _maps(z: Tensor) -> Tensor:
    small = torch.exp(-z * z) + torch.expm1(-z.abs()) + torch.log(z * z + 1) + torch.log1p(z * z)
    small = small + torch.erf(z) * torch.sqrt(z * z + 1) - torch.rsqrt(z * z + 1) / 3
    return torch.tanh(small + torch.reciprocal(2 + z * z) + F.logsigmoid(z) + F.softsign(z))


def _limits(z: Tensor) -> Tensor:
    z = z.clamp(min=-0.7).clamp_max(0.9) + 0.2 * z.clamp(-z * z, z * z)
    return torch.maximum(z, -0.5 * z) + torch.minimum(z, z * z) + F.tanhshrink(torch.relu(z))


def _choices(z: Tensor) -> Tensor:
    z = torch.where(z > 0, 1.0, 0.5) * z + torch.where(z <= 0, -1.0, z)
    z = torch.where((z > -0.5) & (z < 0.5), z, 0.1 * z) - torch.where(z != 0, z, 7.0)
    z = torch.where((z < -0.5) | (z >= 0.5), z, 0.1 * z) + torch.where(torch.eq(z, 0), 1.0, z)
    return torch.where(torch.logical_not(z > 0), z, 0.3 * z).masked_fill(z > 0.9, 0.9)


def _sums(z: Tensor) -> Tensor:
    z = z - z.mean(-1, keepdim=True) + z / (1 + z.sum(1, keepdim=True).abs())
    z = z / (1 + z.var(-1, keepdim=True)) + z / (2 + z.var(-1, unbiased=False)).unsqueeze(-1)
    z = z * torch.tanh(z.mean(1)[:, None]).expand_as(z) + F.layer_norm(z, (HIDDEN,))
    return F.rms_norm(z, (HIDDEN,)) - z.mean(-1, keepdim=True).detach()


def _pieces(cell: Own, projected: Tensor, hidden: Tensor) -> Tensor:
    shifted = torch.cat([projected[:, 0:3], projected[:, 2:3]], -1)
    first, second = torch.tanh(plain(cell, shifted, hidden)).chunk(3, -1)
    left, middle, right = torch.cat([second, first], -1).split([1, 2, 1], -1)
    overlap = torch.cat([hidden[:, 1:4], hidden[:, 1:2]], -1)
    return torch.cat([right, middle * left, middle[:, :1]], -1) + 0.3 * overlap


def _matrices(cell: Own, projected: Tensor, hidden: Tensor) -> Tensor:
    weight = cell.weight_hh
    again = torch.tanh(F.linear(torch.tanh(hidden @ weight + projected), weight))
    part = torch.cat([hidden @ weight[:, :2], hidden[:, :2] @ weight[:2, 2:]], -1)
    return torch.tanh(F.linear(again, weight.T[:, :]) + part + F.linear(hidden, weight))


def _scalars(cell: Own, projected: Tensor, hidden: Tensor) -> Tensor:
    z = plain(cell, projected, hidden)
    z = z**3 * 0.1 + torch.add(z, z.square(), alpha=0.3) - torch.sub(1, z, alpha=2) + 1 / (2 + z**2)
    z.add_(0.1)
    z += projected
    kept = torch.full_like(z, 0.5) * torch.ones_like(z) + torch.zeros_like(z)
    return torch.tanh(z * kept) * torch.sigmoid(z).detach() + cell.bias.view(1, -1)


COMPILED = {
    "every map": of_sum(_maps),
    "limits": of_sum(_limits),
    "choices": of_sum(_choices),
    "sums over features": of_sum(_sums),
    "pieces that overlap": of_parts(_pieces),
    "a matrix both ways, in parts, three times in a row": of_parts(_matrices),
    "numbers, constants and in-place sums": of_parts(_scalars),
    "no state": of_parts(lambda cell, projected, hidden: torch.tanh(projected)),
    "no input": of_parts(lambda cell, projected, hidden: F.linear(hidden, cell.weight_hh)),
    "the state as it was": of_parts(lambda cell, projected, hidden: hidden),
    "one vector for all": of_parts(lambda cell, projected, hidden: cell.bias.expand_as(hidden)),
}


@pytest.mark.parametrize("rule", COMPILED.values(), ids=COMPILED)
def test_a_step_made_of_this_compiles_and_is_right(rule: Any) -> None:
    assert_agrees(Own(rule))


STATES = {
    "swapped": lambda new, old: (new, Two(old.other, old.hidden)),
    "swapped and scaled": lambda new, old: (new * old.other, Two(old.other, 0.5 * old.hidden)),
    "passed through": lambda new, old: (new + old.other, Two(new, old.other)),
    "the same twice": lambda new, old: (new * old.other, Two(new, new)),
    "an output of slices": lambda new, old: (
        torch.cat([new[:, 1:3], old.other[:, 2:]], 1),
        Two(new, old.hidden + old.other),
    ),
    "an output of the other": lambda new, old: (old.other * new, Two(new, old.other * new)),
    "an output of zeros": lambda new, old: (torch.zeros_like(new), Two(new, old.other)),
    "a mean in every place": lambda new, old: (
        new,
        Two(new, new.mean(-1, keepdim=True).expand(-1, 4)),
    ),
}


@pytest.mark.parametrize("function", STATES.values(), ids=STATES)
def test_two_states_come_out_as_they_should(function: Any) -> None:
    assert_agrees(Own(of_two(function), Two(4, 4)))


PARTS: dict[str, tuple[dict[str, Any], Any]] = {
    "a vector that is not used": ({"extra": nn.Parameter(torch.ones(4))}, torch.tanh),
    "a matrix that is not used": ({"extra": nn.Parameter(torch.ones(4, 4))}, torch.tanh),
    "a frozen vector": (
        {"extra": nn.Parameter(torch.ones(4), requires_grad=False)},
        lambda cell, projected, hidden: torch.tanh(plain(cell, projected, hidden) * cell.extra),
    ),
    "a buffer": (
        {"extra": nn.Buffer(torch.ones(4, 4))},
        lambda cell, projected, hidden: torch.tanh(plain(cell, projected, hidden) @ cell.extra),
    ),
    "a stack of matrices": (
        {"extra": nn.Parameter(torch.rand(3, 4, 4))},
        lambda cell, projected, hidden: projected + torch.tanh(hidden @ cell.extra[-1]),
    ),
    "a perceptron": (
        {"extra": nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4))},
        lambda cell, projected, hidden: torch.tanh(cell.extra(hidden) + projected),
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_parameter_of_this_kind_is_right(name: str) -> None:
    parts, function = copy.deepcopy(PARTS[name][0]), PARTS[name][1]
    rule = of_sum(function) if function is torch.tanh else of_parts(function)
    assert_agrees(Own(rule, **parts))


def test_one_parameter_under_two_names_gets_the_sum_of_both_gradients() -> None:
    cell = Own(of_parts(lambda cell, projected, hidden: projected + torch.tanh(hidden @ cell.twin)))
    cell.twin = cell.weight_hh
    assert_agrees(cell)


NARROW = "shapes are not compared: lowering takes any tensor for (batch, width)"
KIND = "_to_copy is taken for nothing, whatever it converts to"
CONSTANT = "a constant row is one number wide"

WRONG = [
    mended("floor division", of_sum(lambda z: z + torch.div(z, 0.3, rounding_mode="floor")),
          reason="the rounding of div is ignored"),
    mended("whole numbers", of_sum(lambda z: z + (5 * z).to(torch.int32).to(z.dtype)), reason=KIND),
    mended("half precision", of_sum(lambda z: z.half().to(z.dtype)), reason=KIND),
    mended("one column, held", of_sum(lambda z: z * z[:, 0].detach()[:, None]), reason=NARROW),
    mended("one column's sign", of_sum(lambda z: torch.where((z[:, 0] > 0)[:, None], z, -z)),
          reason=NARROW),
    mended("heads normed", of_sum(lambda z: F.layer_norm(z.view(-1, 2, 2), (2,)).flatten(1)),
          reason=NARROW),
    mended("the first sample", of_sum(lambda z: torch.tanh(z * z[:1].detach())), reason=NARROW),
    mended("the size of the batch", of_sum(lambda z: z / z.shape[0]),
          reason="the batch of the trace is taken for that of the call"),
    mended("a sum of ones", of_sum(lambda z: z / torch.ones_like(z).sum(-1, keepdim=True)),
          reason=CONSTANT),
    mended("joined ones", of_sum(lambda z: torch.cat([torch.ones_like(z), z.tanh()], 1)[:, 4:]),
          reason=CONSTANT),
    mended("exp of zeros", of_sum(lambda z: z.tanh() * torch.exp(torch.zeros_like(z))),
          reason="zeros that a step makes are taken for zeros of autograd: f(0) = 0"),
    mended("an alias written to", of_sum(lambda z: [z.detach().add_(1.0), z.tanh()][1]),
          reason="an in-place operation reaches one name of a value only"),
    mended("true as a number", of_sum(lambda z: (z > 0) * z), reason="LLVM refuses i1 * double"),
    mended("true as a float", of_sum(lambda z: (z > 0).to(z.dtype) + z.tanh()),
          reason="LLVM refuses i1 + double"),
    mended("a matrix's last rows", of_parts(lambda cell, p, h: p + torch.cat(
        [F.linear(h, cell.weight_hh[:2]), F.linear(h, cell.weight_hh[-2:])], 1)),
          reason="slice_backward with a negative start"),
    mended("the state's last columns", of_parts(lambda cell, p, h: torch.tanh(
        p + F.linear(h[:, -2:], cell.weight_hh[:, :2]))),
           reason="slice_backward with a negative start writes before the buffer"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule"), WRONG)
def test_a_step_with_this_is_right_on_whatever_engine(name: str, rule: Any) -> None:
    assert_agrees(Own(rule), None)


WRONG_STATES = [
    mended("ones", lambda new, old: (new, Two(new, torch.ones_like(new))), reason=CONSTANT),
    mended("an output of ones", lambda new, old: (torch.ones_like(new), Two(new, new)),
          reason=CONSTANT),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function"), WRONG_STATES)
def test_states_of_this_kind_are_right_on_whatever_engine(name: str, function: Any) -> None:
    assert_agrees(Own(of_two(function), Two(4, 4)), None)


class Joining(Cell):
    """The projection does nothing or little; `rule` as in `Own`, with matrices for the input."""

    def __init__(self, rule: Any, project: Any) -> None:
        super().__init__(FEATURES, HIDDEN)
        self.rule, self.project_with = rule, project
        self.weight_ih = self.weight(HIDDEN, FEATURES)
        self.weight_also = self.weight(HIDDEN, FEATURES)
        self.weight_both = self.weight(HIDDEN, FEATURES + HIDDEN)

    def project(self, inputs: Tensor) -> Tensor:
        return self.project_with(self, inputs)

    def step(self, projected: Tensor, hidden: Tensor, state: Any) -> Any:
        return self.rule(self, projected, hidden)


def _both_joined(cell: Joining, projected: Tensor, hidden: Tensor) -> Any:
    following = torch.tanh(F.linear(torch.cat([projected, hidden], 1), cell.weight_both))
    return following * hidden, HiddenState(following)


def _input_twice(cell: Joining, projected: Tensor, hidden: Tensor) -> Any:
    one, other = (F.linear(projected, w) for w in (cell.weight_ih, cell.weight_also))
    return one, HiddenState(torch.tanh(one * other + hidden))


def _projection_as_output(cell: Joining, projected: Tensor, hidden: Tensor) -> Any:
    return projected, HiddenState(torch.tanh(hidden * 0.9 + 0.1))


def _as_it_is(cell: Joining, inputs: Tensor) -> Tensor:
    return inputs


def _by_a_matrix(cell: Joining, inputs: Tensor) -> Tensor:
    return F.linear(inputs, cell.weight_ih)


PROJECTED = [
    mended(_both_joined, _as_it_is,
          reason="a product of X and H joined is taken for one of X alone, as it starts with X"),
    mended(_input_twice, _as_it_is, reason="KeyError: a hoisted product read by a second pass"),
    mended(_projection_as_output, _by_a_matrix,
          reason="reuse moves GO, which the backward pass never stores, into the hoisted product"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "project"), PROJECTED)
def test_a_projection_may_do_little(rule: Any, project: Any) -> None:
    assert_agrees(Joining(rule, project), None)


def test_gradients_that_begin_alike_and_end_otherwise_are_kept_apart() -> None:
    """The gates' gradient goes into both matrices; the candidate's is scaled on its way to one."""
    gru = GRUCell(2, HIDDEN)

    def step(cell: Own, projected: Tensor, hidden: Tensor, state: Any) -> Any:
        following, _ = gru_of(cell).step(projected, hidden, state)
        return following, HiddenState(following)

    class Narrow(Own):
        def project(self, inputs: Tensor) -> Tensor:
            return gru_of(self).project(inputs[..., :2])

    def gru_of(cell: Any) -> GRUCell:
        return cell.gru

    assert_agrees(Narrow(step, gru=gru))
