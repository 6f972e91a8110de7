"""Ours against torch.nn with the same weights: outputs, states, gradients, calling convention."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import ostinato
from ostinato.errors import CheckpointError, SettingsError, ShapeError
from ostinato.layers import load_torch_state_dict, torch_state_dict
from ostinato.layers.torch_weights import torch_parameters

KINDS = [
    ("RNN", {}, {}),
    ("RNN", {"activation": "relu"}, {"nonlinearity": "relu"}),
    ("LSTM", {}, {}),
    ("LSTM", {"projection_size": 3}, {"proj_size": 3}),
    ("GRU", {}, {}),
]


def pair(kind: str, ours: dict, theirs: dict, **shape: Any) -> tuple[nn.Module, nn.Module]:
    mine = getattr(ostinato, kind)(4, 5, **shape, **ours).double()
    torchs = getattr(nn, kind)(4, 5, batch_first=True, **shape, **theirs).double()
    load_torch_state_dict(mine, torchs.state_dict())
    return mine, torchs


@pytest.mark.parametrize("engine", ["compiled", "vendor", "reference"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kind", "ours", "theirs"), KINDS)
def test_outputs_and_gradients_are_those_of_torch(
    kind: str, ours: dict, theirs: dict, bidirectional: bool, engine: str
) -> None:
    shape = {"num_layers": 2, "bidirectional": bidirectional}
    mine, torchs = pair(kind, ours | {"engine": engine}, theirs, **shape)
    inputs = torch.randn(3, 6, 4, dtype=torch.float64)
    outputs, expected = mine(inputs)[0], torchs(inputs)[0]
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    weighting = torch.randn_like(outputs)
    (outputs * weighting).sum().backward()
    (expected * weighting).sum().backward()
    gradients = {name: parameter.grad for name, parameter in torchs.named_parameters()}
    for name, parameter in torch_parameters(mine).items():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=0, atol=1e-11)


@pytest.mark.parametrize(("kind", "ours", "theirs"), KINDS)
def test_weights_go_to_torch_and_back(kind: str, ours: dict, theirs: dict) -> None:
    mine, torchs = pair(kind, ours, theirs, num_layers=2, bidirectional=True)
    torchs.load_state_dict(torch_state_dict(mine))
    inputs = torch.randn(2, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(mine(inputs)[0], torchs(inputs)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: ostinato.GRU(3, 4, reset="before"), "no layer that computes"),
        (lambda: ostinato.LSTM(3, 4, peepholes=True), "no layer that computes"),
        (lambda: ostinato.LSTM(3, 4, layer_norm=True), "no layer that computes"),
        (lambda: ostinato.RNN(3, 4, activation="sigmoid"), "no layer that computes"),
        (lambda: ostinato.LSTM(3, 4, zoneout=0.1), "zoneout"),
        (lambda: ostinato.LSTM(3, 4, learned_initial_state=True), "learned initial state"),
        (
            lambda: ostinato.LSTM(3, 4, bidirectional=True, backward_hidden_size=5),
            "unequal hidden sizes",
        ),
    ],
)
def test_what_torch_cannot_express_is_refused(layer: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        torch_state_dict(layer())


def test_a_missing_weight_is_named() -> None:
    weights = nn.LSTM(3, 4).state_dict()
    del weights["bias_hh_l0"]
    with pytest.raises(CheckpointError, match=r"missing \['bias_hh_l0'\]"):
        load_torch_state_dict(ostinato.LSTM(3, 4), weights)


def test_a_gru_refuses_the_weights_of_the_other_form() -> None:
    with pytest.raises(RuntimeError, match="trained with reset='before'"):
        ostinato.GRU(3, 4).load_state_dict(ostinato.GRU(3, 4, reset="before").state_dict())


MODULES = [
    (nn.LSTM, {}),
    (nn.LSTM, {"proj_size": 3}),
    (nn.GRU, {}),
    (nn.RNN, {"nonlinearity": "relu"}),
    (nn.LSTM, {"bias": False}),
]


def flat(result: Any) -> list[torch.Tensor]:
    return [part for entry in result for part in (entry if isinstance(entry, tuple) else (entry,))]


def assert_same(ours: Any, theirs: Any) -> None:
    for mine, expected in zip(flat(ours), flat(theirs), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kind", "options"), MODULES)
def test_replaced_modules_answer_as_before(
    kind: type, options: dict, bidirectional: bool, batch_first: bool
) -> None:
    shape = {"num_layers": 2, "bidirectional": bidirectional, "batch_first": batch_first}
    model = nn.Sequential(kind(4, 5, **shape, **options))
    inputs = torch.randn(6, 3, 4)
    expected = model(inputs)
    state = expected[1]
    expected_again = model[0](inputs, state)
    ostinato.replace(model)
    assert_same(model(inputs), expected)
    assert_same(model[0](inputs, state), expected_again)
    assert_same(model[0](inputs[0]), copy.deepcopy(model)[0](inputs[0]))


@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_sequences_come_back_packed(bidirectional: bool, enforce_sorted: bool) -> None:
    module = nn.GRU(4, 5, num_layers=2, bidirectional=bidirectional, batch_first=True)
    lengths = torch.tensor([6, 4, 1]) if enforce_sorted else torch.tensor([4, 6, 1])
    packed = pack_padded_sequence(
        torch.randn(3, 6, 4), lengths, batch_first=True, enforce_sorted=enforce_sorted
    )
    outputs, final = module(packed)
    ours, our_final = ostinato.replace(module)(packed)
    torch.testing.assert_close(ours.data, outputs.data, rtol=1e-5, atol=1e-6)
    assert torch.equal(ours.batch_sizes, outputs.batch_sizes)
    torch.testing.assert_close(our_final, final, rtol=1e-5, atol=1e-6)


def test_unbatched_input_gives_unbatched_output() -> None:
    module, inputs = nn.LSTM(4, 5, bidirectional=True), torch.randn(6, 4)
    assert_same(ostinato.replace(module)(inputs), module(inputs))


def test_parameters_stay_the_same_objects() -> None:
    model = nn.ModuleDict({"a": nn.LSTM(3, 4), "b": nn.Sequential(nn.GRU(4, 2))})
    before = {id(parameter) for parameter in model.parameters()}
    ostinato.replace(model)
    assert {id(parameter) for parameter in model.parameters()} == before


def test_a_module_used_twice_is_replaced_once() -> None:
    shared = nn.GRU(3, 3)
    model = ostinato.replace(nn.ModuleList([shared, shared]))
    assert model[0] is model[1]


def test_a_subclass_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot replace Mine"):
        ostinato.replace(nn.Sequential(type("Mine", (nn.GRU,), {})(3, 3)))


def test_a_state_of_the_wrong_shape_is_refused() -> None:
    module = ostinato.replace(nn.GRU(3, 4))
    with pytest.raises(ShapeError, match=r"\(layers \* directions, batch, size\)"):
        module(torch.randn(5, 2, 3), torch.zeros(1, 3, 4))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "FeedForward"])
def test_layers_can_be_pickled_and_copied(kind: str) -> None:
    layer = getattr(ostinato, kind)(3, 4, 2)
    inputs = torch.randn(2, 5, 3)
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        torch.testing.assert_close(other(inputs)[0], layer(inputs)[0])
