"""The language model: its loss is its distribution, its options act or are refused."""

import math

import pytest
import torch

from ostinato import GRU, LSTM, LanguageModel
from ostinato.errors import SettingsError


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


def test_tied_weights_with_adaptive_softmax_are_refused() -> None:
    with pytest.raises(SettingsError, match="choose one"):
        make(tied=True, adaptive_cutoffs=[3])


@pytest.mark.parametrize("cutoffs", [[0, 3], [3, 3], [5, 3], [3, 11]])
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
