"""Classifiers: read-outs by numpy, padding that changes nothing, beginnings as whole samples."""

import numpy as np
import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import RecurrentLayer
from ostinato.models.read_out import AttentionOverTime, LastStep, MaxOverTime, MeanOverTime
from ostinato.state import tensors

READ_OUTS = ("last", "mean", "max", "attention")
LENGTHS = torch.tensor([7, 1, 4])


def make(read_out: str, layer: RecurrentLayer, **options: object) -> ostinato.Classifier:
    torch.manual_seed(0)
    features = ostinato.NumberSteps(3)
    return ostinato.Classifier(features, layer, 4, read_out=read_out, **options).eval()


def inputs() -> Tensor:
    return torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("read_out", READ_OUTS)
@pytest.mark.parametrize("ways", [False, True])
def test_what_lies_behind_a_sample_changes_nothing(read_out: str, ways: bool) -> None:
    model = make(read_out, ostinato.GRU(3, 5, 2, ways))
    values = inputs()
    padded = model(values, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(values[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(padded[row : row + 1], alone)
    spoiled = values.clone()
    spoiled[1, 1:], spoiled[2, 4:] = 1e3, -1e3
    torch.testing.assert_close(model(spoiled, LENGTHS), padded)


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_the_scores_after_a_step_are_those_of_a_sample_that_ends_there(read_out: str) -> None:
    model = make(read_out, ostinato.LSTM(3, 5))
    values = inputs()
    by_step = model.scores_by_step(values, LENGTHS)
    for step in range(1, 8):
        lengths = LENGTHS.clamp(max=step)
        rows = step <= LENGTHS
        whole = model(values, lengths)
        torch.testing.assert_close(by_step[rows, step - 1], whole[rows])


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_steps_that_come_one_by_one_are_scored_as_whole_samples(read_out: str) -> None:
    model = make(read_out, ostinato.LSTM(3, 5, 2))
    values = 30 * inputs()
    by_step = model.scores_by_step(values, torch.full((3,), 7))
    state = model.initial_state(3)
    for step in range(7):
        scores, state = model.step(values[:, step], state)
        torch.testing.assert_close(scores, by_step[:, step])
    sizes = [part.shape for part in tensors(state)]
    assert sizes == [part.shape for part in tensors(model.initial_state(3))]


def test_tokens_come_one_by_one_too() -> None:
    torch.manual_seed(0)
    model = ostinato.Classifier(ostinato.TokenSteps(9, 4), ostinato.GRU(4, 5), 2).eval()
    tokens, state = torch.tensor([[3, 1, 8]]), model.initial_state(1)
    for token in tokens.unbind(1):
        scores, state = model.step(token, state)
    torch.testing.assert_close(scores, model(tokens, torch.tensor([3])))


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_a_stepper_scores_as_steps_do_and_starts_afresh(read_out: str) -> None:
    model = make(read_out, ostinato.LSTM(3, 5, 2)).eval()
    values = 30 * inputs()
    stepper, expected = model.stepper(3), []
    state = model.initial_state(3)
    for step in range(7):
        scores, state = model.step(values[:, step], state)
        expected.append(scores)
    for _ in range(2):
        for step in range(7):
            torch.testing.assert_close(stepper(values[:, step]), expected[step])
        stepper.restart()


def test_a_class_after_every_step_needs_one_direction() -> None:
    model = make("mean", ostinato.GRU(3, 5, bidirectional=True))
    with pytest.raises(SettingsError, match="needs a layer that reads one way"):
        model.scores_by_step(inputs(), LENGTHS)
    with pytest.raises(SettingsError, match="needs a layer that reads one way"):
        model.initial_state(1)
    with pytest.raises(SettingsError, match="needs a layer that reads one way"):
        model.stepper(1)


def test_read_outs_are_their_equations() -> None:
    outputs = inputs()
    array = outputs.numpy()
    rows = [array[row, :length] for row, length in enumerate(LENGTHS.tolist())]
    last = LastStep()(outputs, LENGTHS)
    np.testing.assert_allclose(last, [row[-1] for row in rows])
    both = LastStep(1)(outputs, LENGTHS)
    np.testing.assert_allclose(both, [[row[-1][0], *row[0][1:]] for row in rows])
    mean = MeanOverTime()(outputs, LENGTHS)
    np.testing.assert_allclose(mean, [row.mean(0) for row in rows], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(MaxOverTime()(outputs, LENGTHS), [row.max(0) for row in rows])


def test_attention_weighs_by_the_softmax_of_scored_steps() -> None:
    torch.manual_seed(0)
    read_out = AttentionOverTime(3, 6).double()
    outputs = inputs().double()
    weight, bias = (part.detach().numpy() for part in read_out.hidden.parameters())
    vector = read_out.score.weight.detach().numpy()[0]
    with torch.no_grad():
        found = read_out(outputs, LENGTHS).numpy()
        weights = read_out.weights(outputs, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        steps = outputs[row, :length].numpy()
        scores = np.tanh(steps @ weight.T + bias) @ vector
        shares = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(found[row], shares @ steps, rtol=1e-10)
        np.testing.assert_allclose(weights[row, :length], shares, rtol=1e-10)
        assert (weights[row, length:] == 0).all()


def test_the_last_read_out_of_both_ways_is_the_layers_final_state() -> None:
    torch.manual_seed(0)
    layer = ostinato.GRU(3, 5, 2, True, backward_hidden_size=2)
    outputs, state = layer(inputs(), lengths=LENGTHS)
    read = LastStep(5)(outputs, LENGTHS)
    top = state[-1]
    torch.testing.assert_close(read, torch.cat([top.forward.hidden, top.backward.hidden], 1))


def test_the_loss_weighs_classes_and_spreads_the_truth() -> None:
    weights = [0.5, 1.0, 2.0, 3.0]
    model = make("mean", ostinato.GRU(3, 5), class_weights=weights, label_smoothing=0.1)
    scores, classes = torch.randn(6, 4).double(), torch.tensor([0, 1, 2, 3, 3, 0])
    given = model.loss(scores, classes).detach()
    plain = torch.nn.functional.cross_entropy(
        scores.float(), classes, label_smoothing=0.1, reduction="none"
    )
    torch.testing.assert_close(given, plain * torch.tensor(weights)[classes])


def test_labels_of_which_a_sample_has_several_are_decisions_of_their_own() -> None:
    options = {"class_weights": [1.0, 2.0, 1.0, 3.0], "label_smoothing": 0.2, "several": True}
    model = make("mean", ostinato.GRU(3, 5), **options)
    scores = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    there = torch.rand(6, 4, generator=torch.Generator().manual_seed(3)) < 0.5
    chance = 1 / (1 + np.exp(-scores.numpy().astype(np.float64)))
    truth = np.where(there.numpy(), 0.9, 0.1)
    weights = np.array(options["class_weights"])
    expected = -(weights * truth * np.log(chance) + (1 - truth) * np.log(1 - chance)).sum(1)
    np.testing.assert_allclose(model.loss(scores, there), expected, rtol=1e-5)
    np.testing.assert_allclose(model.probabilities(scores), chance, rtol=1e-12)


def test_token_dropout_reads_unknown_in_training_alone() -> None:
    steps = ostinato.TokenSteps(5, 2, unknown_index=1, token_dropout=0.999)
    tokens = torch.full((4, 50), 3)
    trained = steps.train()(tokens)
    share = (trained == steps.embedding.weight[1]).all(2).float().mean()
    assert share > 0.95
    torch.testing.assert_close(steps.eval()(tokens)[0, 0], steps.embedding.weight[3])


def test_gradients_are_those_of_finite_differences() -> None:
    for read_out in READ_OUTS:
        model = make(read_out, ostinato.GRU(3, 2, bidirectional=True)).double()
        values = inputs().double().requires_grad_()

        def loss(read: Tensor, model: ostinato.Classifier = model) -> Tensor:
            return model(read, LENGTHS).sum()

        assert torch.autograd.gradcheck(loss, (values,), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"read_out": "sum"}, "read_out must be last, mean, max or attention"),
        ({"class_weights": [1.0]}, "1 class_weights for 4 classes"),
        ({"dropout": 1.5}, "dropout"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ostinato.Classifier(ostinato.NumberSteps(3), ostinato.GRU(3, 2), 4, **options)


def test_shapes_that_do_not_fit_are_refused() -> None:
    model = make("mean", ostinato.GRU(3, 5))
    with pytest.raises(ShapeError, match=r"lengths must be \(3,\)"):
        model(inputs(), torch.tensor([3]))
    with pytest.raises(ShapeError, match="with 3 features"):
        model(torch.zeros(3, 7, 2), LENGTHS)
    with pytest.raises(SettingsError, match="reads 4 features, but a step has 3"):
        ostinato.Classifier(ostinato.NumberSteps(3), ostinato.GRU(4, 2), 4)
    with pytest.raises(ShapeError, match="inputs must be tokens"):
        ostinato.TokenSteps(5, 2)(torch.zeros(2, 3))
