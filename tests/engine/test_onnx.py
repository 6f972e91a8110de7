"""Our layers in ONNX Runtime give what they give in PyTorch, whatever the batch and the time."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato.engine.cache import CellView, kind_of
from ostinato.engine.onnx.native import native_form
from ostinato.engine.trace import Form
from ostinato.state import HiddenState, tensors

FEATURES, HIDDEN = 3, 5
# (batch, time); the first is what is exported.
SHAPES = [(2, 3), (1, 1), (4, 9), (3, 1), (1, 6)]


TOLERANCE = 5e-6


class OwnCell(ostinato.Cell):
    """What the built-in cells do not do: two stages, odd slices, parts that nothing reaches."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(2 * hidden_size, input_size)
        self.weight_hh = self.weight(hidden_size, hidden_size)
        self.weight_back = self.weight(hidden_size, 3 * hidden_size)
        self.shift = self.weight(hidden_size)
        self.output_size = hidden_size + 2

    def project(self, inputs: Tensor) -> Tensor:
        return torch.exp(torch.nn.functional.logsigmoid(inputs @ self.weight_ih.T))

    def step(self, projected: Tensor, hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        one, other = projected.split([2, 2 * self.hidden_size - 2], -1)
        mixed = torch.cat([one, hidden @ self.weight_hh.T, other[:, self.hidden_size :]], -1)
        joined = torch.cat([mixed, self.shift.expand(hidden.shape[0], -1)], -1)
        gate = torch.erf(joined @ self.weight_back.T) - torch.expm1(-hidden.abs())
        centred = gate - gate.mean(-1, keepdim=True)
        following = torch.where(centred > 0.1, centred, 0.3 * torch.log1p(gate * gate))
        return torch.cat([following, one.clamp(max=0.6)], -1), HiddenState(following)


LAYERS = {
    "LSTM": lambda: ostinato.LSTM(FEATURES, HIDDEN),
    "LSTM stacked both ways": lambda: ostinato.LSTM(FEATURES, HIDDEN, 2, bidirectional=True),
    "LSTM without bias": lambda: ostinato.LSTM(FEATURES, HIDDEN, bias=False),
    "LSTM with peepholes": lambda: ostinato.LSTM(FEATURES, HIDDEN, peepholes=True),
    "LSTM projected": lambda: ostinato.LSTM(FEATURES, HIDDEN, projection_size=2),
    "LSTM normalised": lambda: ostinato.LSTM(FEATURES, HIDDEN, 2, layer_norm=True, residual=True),
    "LSTM zoned out": lambda: ostinato.LSTM(FEATURES, HIDDEN, zoneout={"memory": 0.3}),
    "GRU learned": lambda: ostinato.GRU(FEATURES, HIDDEN, learned_initial_state=True),
    "GRU reset before": lambda: ostinato.GRU(FEATURES, HIDDEN, reset="before"),
    "GRU normalised": lambda: ostinato.GRU(FEATURES, HIDDEN, layer_norm=True, bidirectional=True),
    "RNN tanh": lambda: ostinato.RNN(FEATURES, HIDDEN),
    "RNN both ways": lambda: ostinato.RNN(FEATURES, HIDDEN, 2, True, activation="relu"),
    "RNN sigmoid": lambda: ostinato.RNN(FEATURES, HIDDEN, activation="sigmoid"),
    "RNN normalised": lambda: ostinato.RNN(FEATURES, HIDDEN, layer_norm=True),
    "minimal gated unit": lambda: of(ostinato.MinimalGatedUnitCell(FEATURES, HIDDEN)),
    "IndRNN": lambda: of(ostinato.IndRNNCell(FEATURES, HIDDEN)),
    "SRU": lambda: of(ostinato.SRUCell(FEATURES, HIDDEN)),
    "sLSTM": lambda: of(ostinato.SLSTMCell(FEATURES, 6, heads=2)),
    "minGRU": lambda: of(ostinato.MinGRUCell(FEATURES, HIDDEN), engine="parallel"),
    "minLSTM": lambda: of(ostinato.MinLSTMCell(FEATURES, HIDDEN)),
    "of one's own": lambda: of(OwnCell(FEATURES, HIDDEN)),
    "feed-forward": lambda: ostinato.FeedForward(FEATURES, HIDDEN),
}


def of(cell: ostinato.Cell, **options: Any) -> nn.Module:
    return ostinato.Recurrent([cell], **options)


class SideBySide(nn.Module):
    """Layers that read the same; all that each returns, one after the other."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names = list(layers)
        self.layers = nn.ModuleList(layers.values())

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> list[Tensor]:
        read = [layer(inputs, lengths=lengths, resets=resets) for layer in self.layers]
        return [part for outputs, state in read for part in (outputs, *tensors(state))]


def random_call(
    batch: int, time: int, *, lengths: bool, resets: bool, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    torch.manual_seed(batch * 100 + time)
    call = {"inputs": torch.randn(batch, time, FEATURES, dtype=dtype)}
    if lengths:
        call["lengths"] = torch.randint(0, time + 1, (batch,))
    if resets:
        call["resets"] = torch.rand(batch, time) < 0.4
    return call


def exported(model: nn.Module, call: dict[str, Tensor]) -> Any:
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    axes: dict[str, Any] = {"inputs": {0: batch, 1: time}}
    axes |= {"lengths": {0: batch}, "resets": {0: batch, 1: time}}
    return torch.onnx.export(
        model,
        (),
        kwargs=call,
        dynamo=True,
        custom_translation_table=ostinato.onnx_translations(),
        dynamic_shapes={name: axes[name] for name in call},
        verbose=False,
    )


def session_of(program: Any) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def largest_difference(model: nn.Module, session: Any, call: dict[str, Tensor]) -> float:
    found = session.run(None, {name: value.numpy() for name, value in call.items()})
    with torch.no_grad():
        expected = [part.numpy() for part in model(**call)]
    assert [part.shape for part in found] == [part.shape for part in expected]
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(one - other).max(initial=0.0)) for one, other in pairs)


pytestmark = pytest.mark.filterwarnings("ignore")


READINGS = {
    "whole": {"lengths": False, "resets": False},
    "with lengths": {"lengths": True, "resets": False},
    "with lengths and resets": {"lengths": True, "resets": True},
}
SOME = ["LSTM with peepholes", "LSTM normalised", "GRU learned", "RNN both ways", "of one's own"]


def made(names: Any) -> nn.Module:
    torch.manual_seed(3)
    return SideBySide({name: LAYERS[name]() for name in names}).eval()


@pytest.fixture(scope="module")
def some_layers() -> nn.Module:
    return made(SOME)


@pytest.mark.parametrize("reading", READINGS)
def test_layers_give_the_same_at_every_shape(some_layers: nn.Module, reading: str) -> None:
    """Three exports in one process: the second and third must not freeze the time either."""
    marks = READINGS[reading]
    session = session_of(exported(some_layers, random_call(*SHAPES[0], **marks)))
    differences = [
        largest_difference(some_layers, session, random_call(*shape, **marks)) for shape in SHAPES
    ]
    assert max(differences) < TOLERANCE


@pytest.mark.nightly
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_gives_the_same_at_every_shape(name: str, reading: str) -> None:
    model, marks = made([name]), READINGS[reading]
    session = session_of(exported(model, random_call(*SHAPES[0], **marks)))
    differences = [
        largest_difference(model, session, random_call(*shape, **marks)) for shape in SHAPES
    ]
    assert max(differences) < TOLERANCE


def test_layer_in_float64_is_exact_in_onnx_runtime() -> None:
    """ONNX Runtime's LSTM is for float32 only, so this one is a Scan."""
    model = made(["LSTM"]).double()
    call = random_call(2, 3, lengths=False, resets=False, dtype=torch.float64)
    program = exported(model, call)
    assert "LSTM" not in [node.op_type for node in program.model.graph]
    assert largest_difference(model, session_of(program), call) < 1e-12


def kind_of_layer(layer: Any, **form: Any) -> Any:
    return kind_of(CellView(layer.cells[0]), Form(**form))


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("LSTM", "LSTM"),
        ("LSTM with peepholes", "LSTM"),
        ("GRU learned", "GRU"),
        ("GRU reset before", "GRU"),
        ("RNN both ways", "RNN"),
        ("RNN sigmoid", "RNN"),
    ],
)
def test_cell_that_onnx_knows_is_native(name: str, operator: str) -> None:
    form = native_form(kind_of_layer(LAYERS[name]()))
    assert form is not None
    assert form.operator == operator


@pytest.mark.parametrize(
    "name", ["LSTM projected", "LSTM normalised", "GRU normalised", "RNN normalised", "sLSTM"]
)
def test_cell_that_onnx_does_not_know_is_not_native(name: str) -> None:
    assert native_form(kind_of_layer(LAYERS[name]())) is None


@pytest.mark.parametrize("form", [{"resets": True}, {"kept": "always"}, {"all_states": True}])
def test_what_the_native_operators_cannot_do_is_not_native(form: dict[str, Any]) -> None:
    assert native_form(kind_of_layer(LAYERS["LSTM"](), **form)) is None


class Louder(ostinato.LSTMCell):
    """Inherits the declaration of a step that is not its own."""

    def step(self, projected: Tensor, hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        return super().step(2 * projected, hidden, state)


def test_cell_with_a_step_of_its_own_is_not_taken_for_its_parent() -> None:
    assert native_form(kind_of_layer(of(Louder(FEATURES, HIDDEN)))) is None
