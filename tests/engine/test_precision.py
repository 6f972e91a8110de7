"""Products of bfloat16 numbers, added up in float32: in every engine, forward and backward."""

from typing import Any

import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.cells import Cell
from ostinato.engine import Reading, unroll
from ostinato.engine.cpu.panels import Kernel
from ostinato.engine.cpu.target import host_target
from ostinato.errors import EngineError, SettingsError
from ostinato.state import tensors

CELLS: dict[str, Any] = {
    "rnn": ostinato.RNNCell,
    "lstm": ostinato.LSTMCell,
    "lstm-norm": lambda d, h: ostinato.LSTMCell(d, h, layer_norm=True),
    "gru-before": lambda d, h: ostinato.GRUCell(d, h, reset="before"),
    "slstm-heads": lambda d, h: ostinato.SLSTMCell(d, h, heads=2),
}
READINGS = [
    Reading(),
    Reading(torch.tensor([6, 0, 3, 5]), torch.arange(24).view(4, 6) % 5 == 2, None, True),
]
# Other processors round the weights in the loop, and leave the rows that they multiply.
rounds_both = pytest.mark.skipif(
    not Kernel(host_target(), 1, "bfloat16").rounds_rows,
    reason="this processor does not multiply in bfloat16",
)


def rounded(value: Tensor) -> Tensor:
    return value.bfloat16().float()


def run(cell: Cell, engine: str | None, products: Any, reading: Reading) -> list[Tensor]:
    """Outputs, final state and the gradients of everything."""
    torch.manual_seed(1)
    inputs = torch.randn(4, 6, 24, requires_grad=True)
    found = unroll(cell, inputs, None, reading, engine=engine, products=products)
    results = [found.outputs, *tensors(found.state)]
    loss = torch.stack([(each * torch.randn(each.shape)).sum() for each in results]).sum()
    return [*results, *torch.autograd.grad(loss, [inputs, *cell.parameters()])]


def distance(one: list[Tensor], other: list[Tensor]) -> list[float]:
    pairs = zip(one, other, strict=True)
    return [float((a - b).detach().norm() / b.detach().norm()) for a, b in pairs]


@rounds_both
@pytest.mark.parametrize("reading", READINGS, ids=["whole", "marked"])
@pytest.mark.parametrize("name", CELLS)
def test_compiled_rounds_what_the_reference_rounds(name: str, reading: Reading) -> None:
    torch.manual_seed(0)
    cell = CELLS[name](24, 32)
    compiled = run(cell, "compiled", "bfloat16", reading)
    # A last bit of float32 may tip a rounding; that moves single numbers, by little.
    assert max(distance(compiled, run(cell, "reference", "bfloat16", reading))) < 3e-4
    assert min(distance(compiled, run(cell, "reference", None, reading))) > 5e-4


@pytest.mark.parametrize("engine", ["reference", pytest.param("compiled", marks=rounds_both)])
def test_one_step_of_an_rnn_and_its_gradient_are_the_equation_with_rounded_factors(
    engine: str,
) -> None:
    torch.manual_seed(0)
    cell, x, h = ostinato.RNNCell(5, 7), torch.randn(3, 1, 5), torch.rand(3, 7)
    x.requires_grad_()
    h.requires_grad_()
    state = ostinato.HiddenState(h)
    outputs = unroll(cell, x, state, engine=engine, products="bfloat16").outputs[:, 0]
    weight_ih, weight_hh, bias_ih, bias_hh = (each.detach() for each in cell.parameters())
    row, before = x[:, 0].detach(), h.detach()
    expected = torch.tanh(
        rounded(row) @ rounded(weight_ih).T
        + bias_ih
        + rounded(before) @ rounded(weight_hh).T
        + bias_hh
    )
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-6)
    upstream = torch.randn(3, 7)
    found = torch.autograd.grad(outputs, [x, h, *cell.parameters()], upstream)
    exact = upstream * (1 - expected * expected)
    factor = rounded(exact)
    wanted = [
        (factor @ rounded(weight_ih)).unsqueeze(1),
        factor @ rounded(weight_hh),
        factor.T @ rounded(row),
        factor.T @ rounded(before),
        exact.sum(0),
        exact.sum(0),
    ]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_cell_with_values_of_bfloat16_is_the_same_with_and_without_rounding() -> None:
    cell, x = ostinato.RNNCell(4, 4), torch.randn(2, 1, 4).bfloat16().float()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(rounded(parameter))
    found = unroll(cell, x, products="bfloat16").outputs
    torch.testing.assert_close(found, unroll(cell, x).outputs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda a, b: a @ b, lambda a, b: a @ b),
        (torch.mm, torch.mm),
        (lambda a, b: torch.einsum("ij,jk->ik", a, b), torch.mm),
        (lambda a, b: torch.addmm(torch.ones(4), a, b), lambda a, b: 1 + a @ b),
        (lambda a, b: torch.nn.functional.linear(a, b.T), torch.mm),
        (lambda a, b: torch.bmm(a[None], b[None])[0], torch.mm),
    ],
)
def test_every_way_to_write_a_product_is_rounded_in_the_reference(one: Any, other: Any) -> None:
    class Product(ostinato.Cell):
        def __init__(self) -> None:
            super().__init__(3, 4)
            self.weight_ih = self.weight(3, 4)

        def project(self, inputs: Tensor) -> Tensor:
            return one(inputs.flatten(0, 1), self.weight_ih).unflatten(0, inputs.shape[:2])

        def step(self, projected: Tensor, hidden: Any, state: Any) -> tuple[Tensor, Any]:
            return projected, ostinato.HiddenState(projected + 0 * state.hidden)

    cell, x = Product(), torch.randn(2, 1, 3)
    found = unroll(cell, x, engine="reference", products="bfloat16").outputs[:, 0]
    torch.testing.assert_close(found, other(rounded(x[:, 0]), rounded(cell.weight_ih)))


# ---- autocast


@pytest.mark.parametrize("products", [None, "bfloat16", "float32"])
def test_autocast_rounds_products_unless_told_otherwise(products: Any) -> None:
    layer = ostinato.LSTM(4, 6, products=products)
    plain = ostinato.LSTM(4, 6, products=products or "bfloat16")
    plain.load_state_dict(layer.state_dict())
    inputs = torch.randn(2, 3, 4)
    expected, state = plain(inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, final = layer(inputs)
    assert torch.equal(outputs, expected.bfloat16())
    assert all(map(torch.equal, tensors(final), tensors(state)))


@pytest.mark.parametrize("products", ["bfloat16", "float32"])
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_engines_agree_under_autocast_where_products_are_said(engine: str, products: Any) -> None:
    cell, inputs = ostinato.GRUCell(4, 6), torch.randn(2, 3, 4)
    expected = unroll(cell, inputs, engine="reference", products=products)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = unroll(cell, inputs.bfloat16().float(), engine=engine, products=products)
    assert found.outputs.dtype == torch.bfloat16
    assert found.state.hidden.dtype == torch.float32
    torch.testing.assert_close(found.state, expected.state, rtol=0, atol=1e-2)


def test_autocast_leaves_a_cell_in_double_precision_as_it_is() -> None:
    cell, inputs = ostinato.GRUCell(4, 6).double(), torch.randn(2, 3, 4).double()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = unroll(cell, inputs, engine="compiled").outputs
    assert torch.equal(found, unroll(cell, inputs, engine="compiled").outputs)


# ---- as an operator, and one step at a time


def test_graphs_transforms_and_second_derivatives_round_too() -> None:
    torch._dynamo.reset()
    layer, inputs = ostinato.LSTM(8, 8, products="bfloat16"), torch.randn(2, 4, 8)
    graph = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.equal(graph(inputs)[0], layer(inputs)[0])
    exported = torch.export.export(layer, (inputs,)).module()
    assert torch.equal(exported(inputs)[0], layer(inputs)[0])

    def loss(inputs: Tensor) -> Tensor:
        return layer(inputs)[0].square().sum()

    leaf = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    # Where the processor has no products in bfloat16, only plain PyTorch rounds the rows too.
    torch.testing.assert_close(torch.func.grad(loss)(inputs), gradient, rtol=2e-2, atol=4e-3)
    tangent = torch.func.jvp(loss, (inputs,), (inputs,))[1]
    torch.testing.assert_close(tangent, (gradient * inputs).sum(), rtol=1e-2, atol=1e-2)
    assert torch.autograd.grad(gradient.square().sum(), leaf)[0].isfinite().all()


@pytest.mark.parametrize("engine", [None, "reference"])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_step_by_step_is_the_whole_sequence(kind: str, engine: str | None) -> None:
    layer = getattr(ostinato, kind)(3, 5, 2, products="bfloat16", engine=engine).eval()
    inputs, state = torch.randn(4, 6, 3), None
    whole, _ = layer(inputs)
    stepper = layer.stepper(4)
    for t in range(6):
        step_output, state = layer.step(inputs[:, t], state)
        torch.testing.assert_close(step_output, whole[:, t], rtol=0, atol=4e-3)
        torch.testing.assert_close(stepper(inputs[:, t]), whole[:, t], rtol=0, atol=4e-3)


@rounds_both
def test_a_stepper_rounds_its_weights() -> None:
    layer = ostinato.LSTM(16, 16, products="bfloat16").eval()
    inputs = torch.randn(4, 16)
    assert torch.equal(layer.stepper(4)(inputs), layer(inputs.unsqueeze(1))[0][:, 0])


@pytest.mark.parametrize("engine", ["pointwise", "parallel"])
def test_engines_without_a_loop_round_too(engine: str) -> None:
    pointwise, parallel = ostinato.FeedForwardCell(4, 6), ostinato.MinGRUCell(4, 6)
    cell = {"pointwise": pointwise, "parallel": parallel}[engine]
    inputs = torch.randn(2, 3, 4)
    found = unroll(cell, inputs, engine=engine, products="bfloat16").outputs
    expected = unroll(cell, inputs, engine="reference", products="bfloat16").outputs
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


# ---- what is refused


def test_what_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match='products must be "float32", "bfloat16" or None'):
        ostinato.LSTM(3, 4, products="half")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SettingsError, match='does not go with engine="vendor"'):
        ostinato.LSTM(3, 4, products="bfloat16", engine="vendor")
    cell = ostinato.LSTMCell(3, 4)
    with pytest.raises(EngineError, match="vendor engine cannot run LSTMCell here: torch's kernel"):
        unroll(cell, torch.zeros(1, 1, 3), engine="vendor", products="bfloat16")
    with pytest.raises(SettingsError, match="needs parameters in float32, but weight_ih of LSTM"):
        ostinato.Recurrent([ostinato.LSTMCell(3, 4).double()], products="bfloat16")


@pytest.mark.parametrize("engine", [None, "reference", "compiled"])
def test_a_layer_made_double_later_is_refused_when_it_runs(engine: str | None) -> None:
    layer = ostinato.LSTM(3, 4, products="bfloat16", engine=engine).double()
    with pytest.raises(EngineError, match="weight_ih of LSTMCell is float64; use products=None"):
        layer(torch.zeros(2, 5, 3, dtype=torch.float64))
    with pytest.raises(EngineError, match="use products=None"):
        layer.stepper(2)


def test_a_layer_says_that_its_products_are_in_bfloat16() -> None:
    (choice,) = ostinato.LSTM(3, 4, products="bfloat16").engine_choices()
    assert choice.reason == "the step is compiled for the whole loop, its products in bfloat16"
