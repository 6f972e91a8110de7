"""Every cell under every option, compiled and in the reference loop: two routes, one result."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from every_cell import CELLS
from hypothesis import given, settings
from hypothesis import strategies as st
from pairwise import pairwise
from torch import Tensor, nn

import ostinato
from ostinato.engine import Noise, Reading, unroll
from ostinato.state import map_state, tensors

OPTIONS: dict[str, list[Any]] = {
    "name": list(CELLS),
    "lengths": [False, True],
    "resets": [False, True],
    "reverse": [False, True],
    "layers": [1, 2],
    "initial": ["its own", "carried", "learned"],
    "mask": [False, True],
    "keep": ["none", "each step", "always"],
    "all_states": [False, True],
    "backward": [True, False],
}
FEW = pairwise(OPTIONS)


@dataclass(frozen=True)
class Call:
    """One call of each layer of a stack; everything in it is drawn from one seed."""

    name: str
    lengths: bool
    resets: bool
    reverse: bool
    layers: int
    initial: str
    mask: bool
    keep: str
    all_states: bool
    backward: bool
    samples: int = 5
    time: int = 7
    hidden: int = 6
    dtype: torch.dtype = torch.float64
    seed: int = 0

    def results(self, engine: str) -> list[Tensor]:
        """All that comes out, and unless not `backward` the gradients of all that goes in."""
        torch.manual_seed(self.seed)
        with torch.set_grad_enabled(self.backward):
            found, leaves = self.forward(engine)
        return [*found, *self.gradients(found, leaves)] if self.backward else found

    def forward(self, engine: str) -> tuple[list[Tensor], list[Tensor]]:
        width = CELLS[self.name](1, self.hidden).output_size
        cells = nn.ModuleList(CELLS[self.name](width, self.hidden) for _ in range(self.layers))
        leaves = [self.drawn(self.samples, self.time, width), *cells.to(self.dtype).parameters()]
        outputs, found = leaves[0], []
        for cell in cells:
            state = self.state(cell) if self.initial == "carried" else None
            reading = self.reading(self.state(cell) if self.initial == "learned" else None)
            leaves += [*tensors(state or ()), *tensors(reading.initial_state or ())]
            unrolled = unroll(
                cell,  # pyright: ignore[reportArgumentType]
                outputs,
                state,
                reading,
                self.noise(cell),
                engine=engine,
                all_states=self.all_states,
            )
            outputs = unrolled.outputs
            found += [outputs, *tensors(unrolled.state), *tensors(unrolled.states or ())]
        return found, leaves

    def gradients(self, found: list[Tensor], leaves: list[Tensor]) -> list[Tensor]:
        loss = sum((part * torch.randn(part.shape).to(part)).sum() for part in found)
        return list(
            torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)  # pyright: ignore
        )

    def drawn(self, *shape: int) -> Tensor:
        return torch.randn(shape).to(self.dtype).requires_grad_()

    def state(self, cell: Any) -> Any:
        return map_state(lambda size: self.drawn(self.samples, size).detach().abs().add(0.1)
                         .requires_grad_(), cell.state_sizes)  # fmt: skip

    def reading(self, initial: Any) -> Reading:
        lengths = torch.randint(0, self.time + 1, (self.samples,))
        resets = torch.rand(self.samples, self.time) < 0.3
        return Reading(
            lengths if self.lengths else None,
            resets if self.resets else None,
            initial,
            self.reverse,
        )

    def noise(self, cell: Any) -> Noise:
        def kept(size: int) -> Tensor:
            rate = torch.tensor(0.25, dtype=self.dtype).expand(self.samples, self.time, size)
            each = (torch.rand(self.samples, self.time, size) < 0.3).to(self.dtype)
            return rate if self.keep == "always" else each

        mask = (torch.rand(self.samples, cell.state_sizes[0]) < 0.7).to(self.dtype) / 0.7
        keep = None if self.keep == "none" else map_state(kept, cell.state_sizes)
        return Noise(mask if self.mask else None, keep)


def error(found: list[Tensor], truth: list[Tensor]) -> float:
    """The largest, as a share of the largest number of the same tensor; 0 of an empty batch."""
    shares = (
        (one.detach().double() - other.detach()).abs().max() / (1e-30 + other.detach().abs().max())
        for one, other in zip(found, truth, strict=True)
        if other.numel()
    )
    return max(map(float, shares), default=0.0)


def assert_agree(call: Call) -> None:
    for one, other in zip(call.results("compiled"), call.results("reference"), strict=True):
        scale = max(1.0, float(other.detach().abs().max())) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10 * scale)


def assert_as_good_in_single_precision(call: Call, draws: int = 1) -> None:
    """Beside double precision with the same numbers, which are drawn in single precision.

    In normalised cells over many steps the error of one draw may be ten times that of another,
    torch's as well as ours: there the worst of several draws is compared with the worst.
    """
    mine, theirs = [], []
    for seed in range(draws):
        drawn = replace(call, seed=seed)
        single, truth = replace(drawn, dtype=torch.float32), drawn.results("reference")
        mine.append(error(single.results("compiled"), truth))
        theirs.append(error(single.results("reference"), truth))
    assert max(mine) < 4 * max(theirs) + 1e-6


def words(options: dict[str, Any]) -> str:
    chosen = [name for name, value in options.items() if value is True]
    rest = [str(value) for value in options.values() if not isinstance(value, bool)]
    return "-".join([*rest, *chosen])


@pytest.mark.parametrize("options", FEW, ids=words)
def test_any_two_options_together_give_what_the_reference_gives(options: dict[str, Any]) -> None:
    assert_agree(Call(**options))


@pytest.mark.parametrize("options", FEW[::3], ids=words)
def test_single_precision_is_as_good_as_that_of_torch(options: dict[str, Any]) -> None:
    assert_as_good_in_single_precision(Call(**options))


def test_the_gradient_of_a_bias_over_many_rows_is_as_good_as_that_of_torch() -> None:
    cell, inputs = ostinato.LSTMCell(8, 16), torch.randn(64, 256, 8)

    def gradient(cell: Any, inputs: Tensor, engine: str) -> list[Tensor]:
        outputs = unroll(cell, inputs, engine=engine).outputs
        return list(torch.autograd.grad(outputs.square().sum(), [cell.bias_ih]))

    truth = gradient(copy.deepcopy(cell).double(), inputs.double(), "reference")
    theirs = error(gradient(cell, inputs, "reference"), truth)
    assert error(gradient(cell, inputs, "compiled"), truth) < 4 * theirs


any_options = st.fixed_dictionaries({name: st.sampled_from(each) for name, each in OPTIONS.items()})
any_size = st.fixed_dictionaries(
    {
        "samples": st.sampled_from([0, 1, 2, 5, 33]),
        "time": st.sampled_from([1, 2, 9, 40]),
        "hidden": st.sampled_from([1, 2, 16, 17]),
    }
)


@pytest.mark.nightly
@settings(max_examples=600, deadline=None)
@given(options=any_options, size=any_size)
def test_any_options_and_sizes_give_what_the_reference_gives(
    options: dict[str, Any], size: dict[str, int]
) -> None:
    assert_agree(Call(**options, **size))


@pytest.mark.nightly
@settings(max_examples=300, deadline=None)
@given(options=any_options, size=any_size)
def test_any_options_and_sizes_are_as_good_in_single_precision(
    options: dict[str, Any], size: dict[str, int]
) -> None:
    assert_as_good_in_single_precision(Call(**options, **size), draws=5)
