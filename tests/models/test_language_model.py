"""The language model: its loss is its distribution, its options act or are refused."""

import math

import numpy as np
import pytest
import torch

from ostinato import GRU, LSTM, RNN, FeedForward, LanguageModel
from ostinato.errors import SettingsError, ShapeError


def make(vocabulary: int = 11, size: int = 16, **options: object) -> LanguageModel:
    return LanguageModel(vocabulary, size, LSTM(size, size), **options)


@pytest.mark.parametrize("options", [{}, {"tied": True}, {"adaptive_cutoffs": [3, 7]}])
def test_the_loss_is_minus_the_log_probability_of_the_target(options: dict) -> None:
    model = make(**options)
    tokens, targets = torch.randint(11, (2, 5)), torch.randint(11, (2, 5))
    features, _ = model(tokens)
    chosen = model.log_probabilities(features).gather(2, targets.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(model.loss(features, targets), -chosen)


@pytest.mark.parametrize("options", [{}, {"adaptive_cutoffs": [3, 7]}])
def test_probabilities_sum_to_one(options: dict) -> None:
    model = make(**options)
    features, _ = model(torch.randint(11, (2, 5)))
    total = model.log_probabilities(features).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones(2, 5))


def test_step_by_step_is_the_whole_sequence() -> None:
    model = make().eval()
    tokens = torch.randint(11, (3, 7))
    whole, final = model(tokens)
    state = model.initial_state(3)
    for t in range(7):
        log_probabilities, state = model.step(tokens[:, t], state)
        torch.testing.assert_close(
            log_probabilities, model.log_probabilities(whole[:, t]), rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(state[0].memory, final[0].memory, rtol=1e-4, atol=1e-5)


def test_a_reset_forgets_what_came_before() -> None:
    model = make().eval()
    tokens, resets = torch.randint(11, (1, 6)), torch.tensor([[False] * 3 + [True] + [False] * 2])
    features, _ = model(tokens, resets=resets)
    fresh, _ = model(tokens[:, 3:])
    torch.testing.assert_close(features[:, 3:], fresh)


def test_tied_weights_are_one_parameter() -> None:
    model = make(tied=True)
    assert model.output.weight is model.embedding.weight
    assert sum(p.numel() for p in model.parameters() if p.shape == (11, 16)) == 176


def test_tied_weights_of_unequal_widths_are_refused() -> None:
    with pytest.raises(SettingsError, match="puts out 5 features and a token has embedding_size 6"):
        LanguageModel(11, 6, LSTM(6, 5), tied=True)


def test_tied_weights_count_the_width_after_a_projection() -> None:
    model = LanguageModel(11, 6, LSTM(6, 20, projection_size=6), tied=True)
    assert model(torch.zeros(2, 3, dtype=torch.long))[0].shape == (2, 3, 6)


def test_tied_weights_get_the_gradients_of_both_their_uses() -> None:
    tied, untied = make(tied=True), make()
    untied.load_state_dict({name: value.clone() for name, value in tied.state_dict().items()})
    tokens, targets = torch.randint(11, (2, 5)), torch.randint(11, (2, 5))
    tied.loss(tied(tokens)[0], targets).sum().backward()
    untied.loss(untied(tokens)[0], targets).sum().backward()
    both = untied.embedding.weight.grad + untied.output.weight.grad
    torch.testing.assert_close(tied.embedding.weight.grad, both)


def test_tied_weights_with_adaptive_softmax_are_refused() -> None:
    with pytest.raises(SettingsError, match="choose one"):
        make(tied=True, adaptive_cutoffs=[3])


@pytest.mark.parametrize("cutoffs", [[], [0, 3], [3, 3], [5, 3], [3, 11]])
def test_cutoffs_that_do_not_rise_within_the_vocabulary_are_refused(cutoffs: list[int]) -> None:
    with pytest.raises(SettingsError, match="adaptive_cutoffs must rise"):
        make(adaptive_cutoffs=cutoffs)


def test_a_layer_that_reads_both_ways_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot read both ways"):
        LanguageModel(11, 6, GRU(6, 4, bidirectional=True))


def test_a_layer_of_another_width_is_refused() -> None:
    with pytest.raises(SettingsError, match="reads 5 features, but a token has embedding_size 6"):
        LanguageModel(11, 6, GRU(5, 4))


def test_locked_dropout_drops_the_same_features_at_all_steps() -> None:
    model = make(size=64, output_dropout=0.5)
    features, _ = model(torch.randint(11, (2, 9)))
    dropped = (features == 0).float().mean(1)
    assert set(dropped.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(dropped[0], dropped[1])


def test_embedding_dropout_drops_whole_tokens() -> None:
    model = make(vocabulary=200, embedding_dropout=0.5)
    embedded = model._embed(torch.arange(200).unsqueeze(0))[0]
    zeros = (embedded == 0).all(1)
    assert 60 < int(zeros.sum()) < 140
    torch.testing.assert_close(embedded[~zeros], 2 * model.embedding.weight[~zeros])


def test_there_is_no_dropout_in_evaluation() -> None:
    model = make(input_dropout=0.5, output_dropout=0.5, embedding_dropout=0.5).eval()
    tokens = torch.randint(11, (2, 5))
    torch.testing.assert_close(model(tokens)[0], model(tokens)[0], rtol=0, atol=0)


def test_an_untrained_model_is_near_chance() -> None:
    model = make(vocabulary=50)
    features, _ = model(torch.randint(50, (8, 20)))
    loss = model.loss(features, torch.randint(50, (8, 20))).mean().item()
    assert loss == pytest.approx(math.log(50), abs=0.3)


@pytest.mark.parametrize("layer", [LSTM, GRU, RNN, FeedForward])
def test_any_layer_steps_as_it_reads_the_whole(layer: type) -> None:
    model = LanguageModel(11, 6, layer(6, 5, num_layers=2)).double().eval()
    tokens = torch.randint(11, (3, 7))
    whole = model.log_probabilities(model(tokens)[0])
    state = model.initial_state(3)
    for t in range(7):
        log_probabilities, state = model.step(tokens[:, t], state)
        torch.testing.assert_close(log_probabilities, whole[:, t], rtol=0, atol=1e-12)


def test_windows_with_carried_state_are_one_pass() -> None:
    model = make().double().eval()
    tokens, targets = torch.randint(11, (2, 9)), torch.randint(11, (2, 9))
    whole = model.loss(model(tokens)[0], targets)
    first, state = model(tokens[:, :4])
    second, _ = model(tokens[:, 4:], state)
    losses = torch.cat([model.loss(first, targets[:, :4]), model.loss(second, targets[:, 4:])], 1)
    torch.testing.assert_close(losses, whole, rtol=0, atol=1e-12)


def test_losses_agree_with_numpy() -> None:
    model = make().double().eval()
    features, targets = torch.randn(2, 3, 16).double(), torch.randint(11, (2, 3))
    weight, bias = (value.detach().numpy() for value in model.output.parameters())
    logits = features.numpy() @ weight.T + bias
    expected = np.log(np.exp(logits).sum(-1))
    expected -= np.take_along_axis(logits, targets.numpy()[..., None], -1)[..., 0]
    np.testing.assert_allclose(model.loss(features, targets).detach().numpy(), expected, rtol=1e-12)


def test_adaptive_probabilities_are_the_clusters_share_times_the_share_in_it() -> None:
    model = make(adaptive_cutoffs=[3, 7]).double()
    features = torch.randn(4, 16).double()
    head = (features @ model.adaptive.head.weight.T).softmax(-1)
    shares = [
        (features @ inner.weight.T @ outer.weight.T).softmax(-1)
        for inner, outer in model.adaptive.tail
    ]
    expected = torch.cat([head[:, :3], head[:, 3:4] * shares[0], head[:, 4:5] * shares[1]], 1)
    torch.testing.assert_close(model.log_probabilities(features).exp(), expected)


@pytest.mark.parametrize(
    ("width", "cutoffs", "widths"),
    [(64, [3, 7], [16, 4]), (12, [3, 7], [3, 1]), (1, [3, 7], [1, 1]), (9, [2, 4, 6, 8], None)],
)
def test_no_cluster_is_without_features(
    width: int, cutoffs: list[int], widths: list[int] | None
) -> None:
    model = make(size=width, adaptive_cutoffs=cutoffs)
    found = [inner.out_features for inner, _ in model.adaptive.tail]
    assert min(found) >= 1
    assert found == (widths or found)


@pytest.mark.parametrize("options", [{}, {"tied": True}, {"adaptive_cutoffs": [3, 7]}])
def test_losses_are_in_full_precision_under_autocast(options: dict) -> None:
    model = make(**options)
    tokens = torch.randint(11, (2, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features, _ = model(tokens)
        log_probabilities = model.log_probabilities(features)
        losses = model.loss(features, tokens)
    assert losses.dtype == log_probabilities.dtype == torch.float32
    torch.testing.assert_close(log_probabilities.exp().sum(-1), torch.ones(2, 5))
    chosen = log_probabilities.gather(2, tokens.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(losses, -chosen)


@pytest.mark.parametrize("options", [{}, {"adaptive_cutoffs": [3, 7]}])
@pytest.mark.parametrize("shape", [(1, 1), (2, 0)])
def test_one_token_and_none_have_losses(options: dict, shape: tuple[int, int]) -> None:
    model = make(**options)
    targets = torch.randint(11, shape)
    assert model.loss(torch.randn(*shape, 16), targets).shape == shape


def test_indices_of_32_bits_are_taken() -> None:
    model = make()
    tokens = torch.randint(11, (2, 5))
    narrow = model.loss(model(tokens.int())[0], tokens.int())
    torch.testing.assert_close(narrow, model.loss(model(tokens)[0], tokens), rtol=0, atol=0)


def test_input_dropout_drops_the_same_features_at_all_steps() -> None:
    model = make(size=64, input_dropout=0.5)
    dropped = (model._embed(torch.randint(11, (2, 9))) == 0).float().mean(1)
    assert set(dropped.unique().tolist()) == {0.0, 1.0}


def test_embedding_dropout_drops_a_token_wherever_it_stands() -> None:
    model = make(embedding_dropout=0.5)
    tokens = torch.randint(11, (4, 50))
    zeros = (model._embed(tokens) == 0).all(2).flatten().float()
    places = torch.nn.functional.one_hot(tokens.flatten(), 11).float()
    dropped_share = zeros @ places / places.sum(0)
    assert set(dropped_share.tolist()) == {0.0, 1.0}


def test_embedding_dropout_leaves_tied_output_weights_whole() -> None:
    model = make(tied=True, embedding_dropout=0.9)
    features = torch.randn(1, 3, 16)
    probabilities = model.log_probabilities(features)
    torch.testing.assert_close(probabilities, model.eval().log_probabilities(features))


def test_a_dropped_token_gets_no_gradient() -> None:
    model = make(vocabulary=40, embedding_dropout=0.5)
    embedded = model._embed(torch.arange(40).unsqueeze(0))
    embedded.sum().backward()
    dropped = (embedded[0] == 0).all(1)
    assert torch.equal((model.embedding.weight.grad == 0).all(1), dropped)


def test_the_state_begins_as_the_layers_does() -> None:
    model = LanguageModel(11, 6, GRU(6, 6, learned_initial_state=True))
    torch.testing.assert_close(model.initial_state(3), model.recurrent.initial_state(3))


@pytest.mark.parametrize("name", ["input_dropout", "output_dropout", "embedding_dropout"])
def test_a_dropout_of_one_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        make(**{name: 1.0})


@pytest.mark.parametrize(
    "inputs", [torch.zeros(2, 3), torch.zeros(3).long(), torch.zeros(2, 3, 1).long()]
)
def test_inputs_that_are_not_token_indices_are_refused(inputs: torch.Tensor) -> None:
    with pytest.raises(ShapeError, match=r"inputs must be integers \(batch, time\)"):
        make()(inputs)


def test_a_step_of_more_than_one_token_is_refused() -> None:
    model = make()
    with pytest.raises(ShapeError, match=r"step_input must be integers \(batch,\)"):
        model.step(torch.zeros(2, 1).long(), model.initial_state(2))


def test_targets_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"targets must be .* = \(2, 5\)"):
        make().loss(torch.randn(2, 5, 16), torch.zeros(2, 4).long())
