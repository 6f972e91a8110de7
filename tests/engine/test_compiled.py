"""The compiled engine against the reference loop, in value and gradient."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
import torch
from every_cell import CELLS
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import ostinato
from ostinato.cells import Cell
from ostinato.engine import Noise, Reading, Unrolled, cache, unroll
from ostinato.engine.compiled import CompiledCall
from ostinato.engine.cpu import loop_code
from ostinato.engine.cpu import target as targets
from ostinato.engine.cpu.division import Division
from ostinato.errors import EngineError
from ostinato.state import HiddenState, map_state, tensors

OPTIONS = ("lengths", "resets", "mask", "keep", "reverse", "all_states")
FEW: list[Sequence[str]] = [
    (),
    ("lengths",),
    ("resets",),
    ("mask", "keep"),
    ("reverse",),
    ("lengths", "resets", "reverse"),
    ("full lengths",),
    ("full lengths", "resets", "keep", "reverse", "all_states"),
    ("resets", "all_states"),
    OPTIONS,
]
SIZES = [(5, 9, 3, 17), (33, 4, 20, 32), (1, 1, 2, 2), (2, 6, 1, 1)]


class Case:
    """A cell with everything that one call takes, all of it random and with a gradient."""

    def __init__(
        self,
        name: str,
        size: tuple[int, int, int, int],
        options: Sequence[str],
        dtype: torch.dtype = torch.float64,
    ) -> None:
        samples, time, features, hidden = size
        torch.manual_seed(0)
        self.cell = CELLS[name](features, hidden).to(dtype)
        self.inputs = torch.randn(samples, time, features, dtype=dtype, requires_grad=True)

        def draw(width: int) -> Tensor:
            return (torch.rand(samples, width, dtype=dtype) + 0.5).requires_grad_()

        widths = self.cell.state_sizes
        self.state, self.initial = map_state(draw, widths), map_state(draw, widths)
        keep = map_state(lambda width: (torch.rand(samples, time, width) < 0.3).to(dtype), widths)
        mask = (torch.rand(samples, widths[0]) < 0.7).to(dtype) / 0.7
        lengths = torch.randint(0, time + 1, (samples,)) if "lengths" in options else None
        self.reading = Reading(
            torch.full((samples,), time) if "full lengths" in options else lengths,
            torch.rand(samples, time) < 0.3 if "resets" in options else None,
            self.initial,
            "reverse" in options,
        )
        self.noise = Noise(mask if "mask" in options else None, keep if "keep" in options else None)
        self.all_states = "all_states" in options

    def leaves(self) -> list[Tensor]:
        state = [*tensors(self.state), *tensors(self.initial)]
        return [self.inputs, *state, *self.cell.parameters()]

    def run(self, engine: str) -> list[Tensor]:
        found: Unrolled = unroll(
            self.cell,
            self.inputs,
            self.state,
            self.reading,
            self.noise,
            engine=engine,
            all_states=self.all_states,
        )
        states = tensors(found.states) if self.all_states else []
        return [found.outputs, *tensors(found.state), *states]

    def gradients(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        torch.manual_seed(1)
        weights = [torch.randn(output.shape, dtype=output.dtype) for output in outputs]
        loss = sum((output * w).sum() for output, w in zip(outputs, weights, strict=True))
        return list(
            torch.autograd.grad(loss, self.leaves(), allow_unused=True, materialize_grads=True)
        )


def assert_agree(case: Case, tolerance: float) -> None:
    compiled, reference = case.run("compiled"), case.run("reference")
    mine = compiled + case.gradients(compiled)
    expected = reference + case.gradients(reference)
    for one, other in zip(mine, expected, strict=True):
        scale = max(1.0, float(other.detach().abs().max())) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("options", FEW, ids="-".join)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients_are_those_of_the_reference(name: str, options: Sequence[str]) -> None:
    for size in SIZES:
        assert_agree(Case(name, size, options), 1e-10)


@pytest.mark.parametrize("shorter", [0, 1])
def test_lengths_that_are_all_whole_are_laid_out_as_none_are(shorter: int) -> None:
    case = Case("lstm", (5, 9, 3, 17), ())
    lengths = torch.tensor([9, 9, 9, 9, 9 - shorter])
    call = CompiledCall(case.cell, case.inputs, Reading(lengths), Noise(), all_states=False)
    layout = call.loop(call.given(case.state), backward=True).layout
    assert (layout.lengths is None) == (not shorter)


@pytest.mark.nightly
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("chosen", list(product([False, True], repeat=len(OPTIONS))), ids=str)
def test_every_combination_is_that_of_the_reference(name: str, chosen: tuple[bool, ...]) -> None:
    options = [option for option, on in zip(OPTIONS, chosen, strict=True) if on]
    for size in SIZES:
        assert_agree(Case(name, size, options), 1e-10)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["lstm", "gru-before-norm", "slstm"]),
    size=st.tuples(st.integers(0, 5), st.integers(1, 5), st.integers(1, 4), st.sampled_from([3])),
    options=st.sets(st.sampled_from(OPTIONS)).map(sorted),
)
def test_any_shape_is_that_of_the_reference(
    name: str, size: tuple[int, int, int, int], options: Sequence[str]
) -> None:
    assert_agree(Case(name, size, options), 1e-10)


@pytest.mark.parametrize("name", ["lstm", "lstm-norm", "gru-before", "slstm"])
def test_single_precision_is_as_good_as_torch_s_own(name: str) -> None:
    case = Case(name, (5, 40, 8, 33), ("lengths", "resets"), torch.float32)
    exact = Case(name, (5, 40, 8, 33), ("lengths", "resets"), torch.float32)
    exact.cell = exact.cell.double()
    exact.inputs = exact.inputs.detach().double().requires_grad_()
    exact.state, exact.initial = (
        map_state(lambda part: part.detach().double().requires_grad_(), state)
        for state in (exact.state, exact.initial)
    )
    exact.reading = Reading(exact.reading.lengths, exact.reading.resets, exact.initial)
    truth = exact.run("reference")
    truth += exact.gradients(truth)

    def error(engine: str) -> float:
        found = case.run(engine)
        found += case.gradients(found)
        return max(
            float(
                ((one.double() - other).abs().max() / other.abs().max().clamp(min=1e-30)).detach()
            )
            for one, other in zip(found, truth, strict=True)
        )

    assert error("compiled") < 4 * error("reference") + 1e-6


@pytest.mark.parametrize("name", ["lstm-norm", "gru-before"])
@pytest.mark.parametrize("make", [targets.avx2_target, targets.portable_target])
def test_another_processor_gives_the_same(
    name: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.forget()
    monkeypatch.setattr(targets, "host_target", make)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        assert_agree(Case(name, (3, 5, 4, 19), ("lengths", "resets"), dtype), tolerance)
    cache.forget()


def test_two_threads_give_what_one_gives() -> None:
    case = Case("lstm-norm", (7, 5, 4, 19), ("lengths", "mask"))
    torch.set_num_threads(2)
    two = case.run("compiled")
    torch.set_num_threads(1)
    one = case.run("compiled")
    for mine, expected in zip(two, one, strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("division", [Division(3, 1), Division(1, 3)], ids=["samples", "columns"])
@pytest.mark.parametrize("options", [(), ("lengths", "resets", "reverse"), OPTIONS], ids="-".join)
@pytest.mark.parametrize("name", ["lstm-norm", "gru-before", "slstm", "ind-rnn"])
def test_threads_that_share_samples_or_columns_give_what_one_gives(
    name: str, options: Sequence[str], division: Division, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_code, "divide", lambda *sizes: division)
    monkeypatch.setattr("ostinato.engine.cpu.team.team_size", lambda: 3)
    case = Case(name, (5, 9, 3, 70), options)
    assert_agree(case, 1e-10)


@pytest.mark.parametrize("name", ["lstm", "gru-before"])
def test_second_derivatives_are_right(name: str) -> None:
    case = Case(name, (2, 3, 2, 3), ("lengths", "resets"))

    def outputs(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        noise = Noise(weights=dict(zip(dict(case.cell.named_parameters()), weights, strict=True)))
        found = unroll(case.cell, inputs, case.state, case.reading, noise, engine="compiled")
        return (found.outputs, *tensors(found.state))

    leaves = (case.inputs, *case.cell.parameters())
    assert torch.autograd.gradcheck(outputs, leaves)
    assert torch.autograd.gradgradcheck(outputs, leaves)


def test_a_graph_can_be_gone_through_twice() -> None:
    case = Case("lstm", (3, 5, 2, 4), ())
    loss = case.run("compiled")[0].square().sum()
    first = torch.autograd.grad(loss, case.leaves()[:2], retain_graph=True)
    second = torch.autograd.grad(loss, case.leaves()[:2])
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize("options", [(), ("lengths",), ("all_states",)], ids="-".join)
def test_results_changed_in_place_leave_gradients_as_they_were(options: Sequence[str]) -> None:
    case = Case("lstm", (3, 5, 2, 4), options)
    expected = case.gradients(case.run("compiled"))
    results = case.run("compiled")
    with torch.no_grad():
        for result in results:
            result.mul_(2)
    for one, other in zip(case.gradients(results), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_nan_in_one_sample_touches_no_other() -> None:
    case = Case("lstm-norm", (4, 6, 3, 17), ())
    clean = case.run("compiled")
    with torch.no_grad():
        case.inputs[2, 3] = float("nan")
    spoilt = case.run("compiled")
    others = torch.tensor([0, 1, 3])
    for one, other in zip(spoilt, clean, strict=True):
        assert torch.equal(one[others], other[others])
        assert one[2].isnan().any()


@pytest.mark.parametrize("value", [0.0, 1e-41, 3e38, float("inf")])
def test_extreme_inputs_come_out_as_in_the_reference(value: float) -> None:
    case = Case("lstm", (2, 3, 2, 5), (), torch.float32)
    with torch.no_grad():
        case.inputs[:] = value
    for one, other in zip(case.run("compiled"), case.run("reference"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6, equal_nan=True)


class Sorting(Cell):
    """A step with something that no loop of ours knows."""

    def project(self, inputs: Tensor) -> Tensor:
        return inputs

    def step(self, projected: Tensor, hidden: Tensor, state: HiddenState) -> Any:
        mixed = torch.tanh(projected + hidden)
        ordered = mixed.sort(-1).values
        return ordered, HiddenState(ordered)

    def __init__(self, size: int) -> None:
        super().__init__(size, size)
        self.bias = self.weight(size)


def test_what_cannot_be_compiled_is_named_with_its_line_and_runs_in_the_reference() -> None:
    layer = ostinato.Recurrent([Sorting(3)])
    (choice,) = layer.engine_choices()
    assert choice.engine == "reference"
    assert "torch's sort is not known to the compiler" in choice.reason
    assert "test_compiled.py" in choice.reason
    assert "mixed.sort(-1)" in choice.reason
    assert layer(torch.randn(2, 4, 3))[0].shape == (2, 4, 3)
    with pytest.raises(EngineError, match="sort is not known to the compiler"):
        unroll(Sorting(3), torch.randn(2, 4, 3), engine="compiled")


def test_cells_alike_share_their_code_and_others_do_not() -> None:
    plain = ostinato.RNNCell(3, 4)
    alike, other = ostinato.RNNCell(3, 4), ostinato.RNNCell(3, 4, activation="relu")

    def stages(cell: Cell) -> Any:
        return cache.stages_of(cache.CellView(cell), cache.Form())

    assert stages(plain) is stages(alike)
    assert stages(plain) is not stages(other)


@pytest.mark.parametrize("layer", [ostinato.LSTM(3, 5), ostinato.GRU(3, 5, bidirectional=True)])
def test_gradients_are_the_same_where_the_inputs_want_none(layer) -> None:
    inputs, found = torch.randn(4, 6, 3), []
    for wanted in (True, False):
        given = inputs.clone().requires_grad_(wanted)
        outputs, _ = layer(given)
        found.append(torch.autograd.grad(outputs.square().sum(), list(layer.parameters())))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
