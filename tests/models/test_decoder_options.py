"""Copying, coverage, scheduled sampling and smoothing are their equations, or are refused."""

import math

import numpy as np
import pytest
import torch
from small_pairs import COPYING, SIZE, VOCABULARY, make_attending, make_plain, pairs

from ostinato import Coverage, DecoderOptions, ScheduledSampling
from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import PredictiveWindow, Reinforce
from ostinato.models import smoothed_losses

EXTRA = DecoderOptions(copy=True, extra_tokens=3, unknown_index=0)


def test_copying_mixes_the_vocabulary_with_the_sources_tokens() -> None:
    model = make_attending("luong", options=COPYING).double().eval()
    source, lengths, target_in, _, _ = pairs()
    found = model(source, lengths, target_in).exp()
    memory, copying = model.encode(source, lengths), model.decoder.copying
    embedded = model.decoder.embed(target_in)
    step = model.decoder.read_at_once(embedded, memory, None, need_weights=True)
    seen = torch.cat([step.context, step.hidden, step.embedded], -1)
    generate = torch.sigmoid(copying.switch(seen))
    vocabulary = torch.softmax(model.decoder.output(step.attentional), -1)
    one_hot = torch.nn.functional.one_hot(source, VOCABULARY).double()
    expected = generate * vocabulary + (1 - generate) * (step.weights @ one_hot)
    torch.testing.assert_close(found, expected)


def test_a_token_beyond_the_vocabulary_has_the_weights_of_its_places() -> None:
    model = make_attending("luong", options=EXTRA).double().eval()
    source = torch.tensor([[4, VOCABULARY + 1, 5, VOCABULARY + 1]])
    target_in = torch.tensor([[1, VOCABULARY + 1]])
    probabilities = model(source, None, target_in).exp()
    assert probabilities.shape == (1, 2, VOCABULARY + 3)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(1, 2, dtype=torch.double))
    assert (probabilities[..., VOCABULARY + 1] > 0.01).all()
    assert (probabilities[..., [VOCABULARY, VOCABULARY + 2]] < 1e-30).all()


def test_another_vocabulary_of_the_source_is_told_by_copied() -> None:
    model = make_attending("luong", options=COPYING).double().eval()
    source, copied = torch.tensor([[4, 5]]), torch.tensor([[7, 7]])
    target_in = torch.tensor([[1]])
    plain = model(source, None, target_in)
    told = model(source, None, target_in, copied=copied)
    assert told[0, 0, 7] > plain[0, 0, 7]
    assert told[0, 0, 4] < plain[0, 0, 4]


def test_under_a_gaussian_window_the_vocabulary_has_the_rest() -> None:
    window = PredictiveWindow(SIZE, 1)
    model = make_attending("luong", "dot", window=window, options=COPYING).double()
    source, lengths, target_in, _, _ = pairs()
    total = model(source, lengths, target_in).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_copied_of_another_shape_is_refused() -> None:
    model = make_attending("luong", options=COPYING)
    with pytest.raises(ShapeError, match="copied must be"):
        model.encode(torch.zeros(2, 5).long(), copied=torch.zeros(2, 4).long())


def test_coverage_adds_the_weights_up_and_costs_their_overlap() -> None:
    options = DecoderOptions(coverage=Coverage(penalty=0.5))
    model = make_attending("bahdanau", options=options).double()
    source, lengths, target_in, targets, _ = pairs()
    weights = model.alignment(source, lengths, target_in)
    before = weights.cumsum(1) - weights
    penalty = torch.minimum(weights, before).sum(-1)
    added = model.loss(source, lengths, target_in, targets)
    plain = model.eval().loss(source, lengths, target_in, targets)
    torch.testing.assert_close(added - plain, 0.5 * penalty)


def test_fertility_divides_what_is_added_up() -> None:
    options = DecoderOptions(coverage=Coverage(fertility=3.0))
    model = make_attending("luong", options=options).double().eval()
    source, lengths, target_in, _, _ = pairs()
    memory = model.encode(source, lengths)
    _, state = model.next_step(target_in[:, 0], model.initial_state(memory), memory)
    outputs = model.encoder(source, lengths).outputs
    fertility = 3 * torch.sigmoid(model.decoder.of_fertility(outputs)).squeeze(-1)
    first = model.alignment(source, lengths, target_in)[:, 0]
    torch.testing.assert_close(state.coverage, first / fertility)


@pytest.mark.parametrize(
    ("kind", "shares"),
    [
        ("linear", [1, 0.6, 0.1]),
        ("exponential", [1, math.exp(-0.4), math.exp(-2)]),
        ("inverse-sigmoid", [10 / 11, 10 / (10 + math.exp(0.4)), 10 / (10 + math.exp(2))]),
    ],
)
def test_the_share_of_truth_falls_as_its_curve_says(kind: str, shares: list[float]) -> None:
    schedule = ScheduledSampling(kind, updates=10, lowest=0.1)
    found = [schedule.share_of_truth(torch.tensor(update)).item() for update in (0, 4, 20)]
    assert found == pytest.approx(shares)


def test_an_old_enough_schedule_does_not_overflow() -> None:
    share = ScheduledSampling(updates=1).share_of_truth(torch.tensor(10**6))
    assert share.item() == 0


@pytest.mark.parametrize("kind", ["luong", "bahdanau"])
def test_while_all_is_truth_sampling_changes_nothing(kind: str) -> None:
    options = DecoderOptions(scheduled_sampling=ScheduledSampling(lowest=1.0))
    sampling = make_attending(kind, options=options).double()
    plain = make_attending(kind).double()
    plain.load_state_dict(sampling.state_dict())
    batch = pairs()
    torch.testing.assert_close(sampling.loss(*batch), plain.loss(*batch), rtol=0, atol=1e-12)
    assert sampling.updates.item() == 1


def test_without_truth_the_true_tokens_are_not_read() -> None:
    options = DecoderOptions(scheduled_sampling=ScheduledSampling("linear", updates=1))
    model = make_attending("luong", options=options)
    model.updates.fill_(5)
    source, lengths, target_in, targets, _ = pairs()
    others = target_in.clone()
    others[:, 1:] = (others[:, 1:] + 1) % VOCABULARY
    torch.manual_seed(1)
    first = model.loss(source, lengths, target_in, targets)
    torch.manual_seed(1)
    torch.testing.assert_close(model.loss(source, lengths, others, targets), first)


def test_in_evaluation_the_truth_is_read_and_no_update_counted() -> None:
    options = DecoderOptions(scheduled_sampling=ScheduledSampling("linear", updates=1))
    model = make_attending("luong", options=options).eval()
    model.updates.fill_(5)
    batch = pairs()
    torch.testing.assert_close(model.loss(*batch), model.loss(*batch), rtol=0, atol=0)
    assert model.updates.item() == 5


def test_smoothing_is_torchs() -> None:
    logits, targets = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    ours = smoothed_losses(logits.log_softmax(-1), targets, 0.1, 7)
    theirs = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), targets, label_smoothing=0.1, reduction="none"
    )
    torch.testing.assert_close(ours, theirs)


def test_smoothing_acts_in_training_only() -> None:
    model = make_attending("luong", label_smoothing=0.2).double()
    source, lengths, target_in, targets, _ = pairs()
    log_probabilities = model(source, lengths, target_in)
    smoothed = model.loss(source, lengths, target_in, targets)
    torch.testing.assert_close(
        smoothed, smoothed_losses(log_probabilities, targets, 0.2, VOCABULARY)
    )
    plain = -log_probabilities.gather(2, targets.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(model.eval().loss(source, lengths, target_in, targets), plain)


def test_smoothing_leaves_out_tokens_that_can_only_be_copied() -> None:
    model = make_attending("luong", options=EXTRA, label_smoothing=0.1)
    assert (model.loss(*pairs()) < 20).all()


def test_bahdanaus_readout_is_a_maxout() -> None:
    model = make_attending("bahdanau").double().eval()
    memory = model.encode(torch.zeros(1, 3).long())
    state = model.initial_state(memory)
    tokens = torch.tensor([4])
    found, after = model.next_step(tokens, state, memory)
    context, _ = model.decoder.attention.attend(state.recurrent[0].hidden, memory.prepared)
    seen = [after.recurrent[0].hidden, model.decoder.embedding(tokens), context]
    weight, bias = (p.detach().numpy() for p in model.decoder.readout.parameters())
    doubled = np.concatenate([part.detach().numpy() for part in seen], 1) @ weight.T + bias
    features = np.maximum(doubled[:, 0::2], doubled[:, 1::2])
    weight, bias = (p.detach().numpy() for p in model.decoder.output.parameters())
    logits = features @ weight.T + bias
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-10)


def test_tied_weights_are_one_parameter() -> None:
    decoder = make_attending("luong", options=DecoderOptions(tied=True)).decoder
    assert decoder.output.weight is decoder.embedding.weight


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"extra_tokens": 3}, "set copy=True"),
        ({"extra_tokens": 3, "copy": True}, "give unknown_index"),
        ({"extra_tokens": -1, "copy": True}, "at least 0"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        DecoderOptions(**options)


@pytest.mark.parametrize("options", [COPYING, DecoderOptions(coverage=Coverage())])
def test_a_plain_decoder_refuses_what_needs_attention(options: DecoderOptions) -> None:
    with pytest.raises(SettingsError, match="need attention"):
        make_plain(options=options)


def test_a_plain_decoder_has_no_readout() -> None:
    with pytest.raises(SettingsError, match="leave readout_size out"):
        make_plain(options=DecoderOptions(readout_size=5))


def test_tied_weights_of_unequal_widths_are_refused() -> None:
    with pytest.raises(SettingsError, match="set readout_size"):
        make_attending("luong", options=DecoderOptions(tied=True, readout_size=5))


def test_reinforce_is_for_hard_attention() -> None:
    with pytest.raises(SettingsError, match="is not hard"):
        make_attending("luong", reinforce=Reinforce())
