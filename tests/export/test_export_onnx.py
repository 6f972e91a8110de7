"""`export_onnx`: names, carried state, streaming, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

import ostinato
from ostinato import export_onnx
from ostinato.errors import EngineError, MissingExtraError, SettingsError
from ostinato.state import HiddenState, tensors


def session_of(graph: Any) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(graph.path), providers=["CPUExecutionProvider"])


def run(session: Any, given: dict[str, Any]) -> dict[str, Any]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, given), strict=True))


def next_state(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix("next_"): value
        for name, value in found.items()
        if name.startswith("next_")
    }


def test_session_that_carries_the_state_goes_on_where_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = ostinato.LSTM(3, 5, 2, zoneout=0.2, learned_initial_state=True).eval()
    with torch.no_grad():
        [part.normal_() for part in layer.learned.parameters()]
    graph = export_onnx(layer, tmp_path / "layer.onnx", carry_state=True)
    session, state, outputs = session_of(graph), graph.initial_state(2), []
    inputs = torch.randn(2, 9, 3)
    for part in inputs.split([1, 6, 2], 1):
        found = run(session, {"inputs": part.numpy(), **state})
        state = next_state(found)
        outputs.append(found["outputs"])
    with torch.no_grad():
        expected, final = layer(inputs)
    np.testing.assert_allclose(np.concatenate(outputs, 1), expected.numpy(), atol=3e-6)
    for found_part, part in zip(state.values(), tensors(final), strict=True):
        np.testing.assert_allclose(found_part, part.numpy(), atol=3e-6)


def test_single_steps_of_a_language_model_are_its_steps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ostinato.LanguageModel(11, 4, ostinato.GRU(4, 6, zoneout=0.2)).eval()
    graph = export_onnx(model, tmp_path / "model.onnx", single_step=True)
    assert graph.inputs == ("token", "state.0.hidden")
    assert graph.outputs == ("log_probabilities", "next_state.0.hidden")
    session, state = session_of(graph), graph.initial_state(3)
    tokens, expected = torch.randint(11, (3, 5)), model.initial_state(3)
    for step in range(5):
        found = run(session, {"token": tokens[:, step].numpy(), **state})
        state = next_state(found)
        with torch.no_grad():
            scores, expected = model.step(tokens[:, step], expected)
        np.testing.assert_allclose(found["log_probabilities"], scores.numpy(), atol=3e-6)


def test_language_model_scores_texts_with_resets(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ostinato.LanguageModel(11, 4, ostinato.LSTM(4, 6)).eval()
    graph = export_onnx(model, tmp_path / "model.onnx", resets=True, opset_version=18)
    assert graph.inputs == ("tokens", "resets")
    tokens, resets = torch.randint(11, (3, 8)), torch.rand(3, 8) < 0.3
    found = run(session_of(graph), {"tokens": tokens.numpy(), "resets": resets.numpy()})
    with torch.no_grad():
        features, _ = model(tokens, resets=resets)
        expected = model.log_probabilities(features)
    np.testing.assert_allclose(found["log_probabilities"], expected.numpy(), atol=3e-6)


def test_layer_both_ways_names_both(tmp_path: Path) -> None:
    graph = export_onnx(ostinato.RNN(3, 5, bidirectional=True), tmp_path / "x.onnx", lengths=True)
    assert graph.inputs == ("inputs", "lengths")
    both = ("next_state.0.forward.hidden", "next_state.0.backward.hidden")
    assert graph.outputs == ("outputs", *both)
    shapes = [value.shape for value in session_of(graph).get_inputs()]
    assert shapes == [["batch", "time", 3], ["batch"]]


def test_replaced_torch_layer_exports_for_any_time(tmp_path: Path) -> None:
    torch.manual_seed(0)
    peer = torch.nn.GRU(3, 5, 2, batch_first=True)
    model = ostinato.replace(torch.nn.GRU(3, 5, 2, batch_first=True))
    model.load_state_dict(ostinato.replace(peer).state_dict())
    torch.onnx.export(
        model.eval(),
        (torch.zeros(2, 3, 3),),
        tmp_path / "model.onnx",
        dynamo=True,
        custom_translation_table=ostinato.onnx_translations(),
        dynamic_shapes=({0: torch.export.Dim("batch"), 1: torch.export.Dim("time")},),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    inputs = torch.randn(1, 13, 3)
    outputs, _ = session.run(None, {"input": inputs.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(outputs, model(inputs)[0].numpy(), atol=3e-6)


class Strange(ostinato.Cell):
    """Something that the compiler does not know."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.gain = self.weight(hidden_size)

    def step(self, projected: Tensor, hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden = projected + torch.special.bessel_j0(self.gain * hidden)
        return hidden, HiddenState(hidden)


def test_step_that_cannot_be_a_graph_is_named_with_its_line(tmp_path: Path) -> None:
    layer = ostinato.Recurrent([Strange(4, 4)]).eval()
    with pytest.raises(EngineError, match=r"Strange .*bessel_j0.*test_export_onnx\.py, line \d+"):
        export_onnx(layer, tmp_path / "x.onnx")


@pytest.mark.parametrize(
    "options",
    [
        {"zoneout": 0.1},
        {"zoneout": {"memory": 0.1}},
        {"recurrent_dropout": 0.1},
        {"weight_drop": 0.1},
        {"dropout": 0.1, "num_layers": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_noise_of_training_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"{next(iter(options))}.*call model\.eval\(\)"):
        export_onnx(ostinato.LSTM(3, 5, **options), tmp_path / "x.onnx")


def test_noise_of_training_around_the_layer_is_refused(tmp_path: Path) -> None:
    model = ostinato.LanguageModel(9, 4, ostinato.GRU(4, 6), input_dropout=0.1)
    with pytest.raises(SettingsError, match="dropout"):
        export_onnx(model, tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"single_step": True}, "single steps"),
        ({"carry_state": True}, "takes no state"),
        ({"opset_version": 17}, "18 or above"),
    ],
)
def test_what_a_layer_both_ways_cannot_do_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    layer = ostinato.GRU(3, 5, bidirectional=True)
    with pytest.raises(SettingsError, match=said):
        export_onnx(layer, tmp_path / "x.onnx", **options)


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    layer, model = ostinato.GRU(3, 5), ostinato.LanguageModel(9, 3, ostinato.GRU(3, 5))
    with pytest.raises(SettingsError, match="no lengths"):
        export_onnx(layer, tmp_path / "x.onnx", single_step=True, lengths=True)
    with pytest.raises(SettingsError, match="takes no lengths"):
        export_onnx(model, tmp_path / "x.onnx", lengths=True)
    with pytest.raises(SettingsError, match="does not exist"):
        export_onnx(layer, tmp_path / "nowhere" / "x.onnx")
    with pytest.raises(SettingsError, match="onnx_translations"):
        export_onnx(torch.nn.Linear(2, 3), tmp_path / "x.onnx")


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostinato.engine.onnx.translation.find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=r"ostinato\[export\]"):
        export_onnx(ostinato.GRU(3, 5), tmp_path / "x.onnx")
