"""The Transformer from sequence to sequence: step by step as whole, torch's logits, its loss."""

import math

import pytest
import torch
import torch.nn.functional as F

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import TransformerOptions, load_torch_transformer, mask_of_lengths
from ostinato.models import Transformer
from ostinato.state import select

LENGTHS = torch.tensor([6, 2, 4])


def make(norm: str = "pre", **options: object) -> Transformer:
    torch.manual_seed(0)
    shape = TransformerOptions(16, heads=4, feed_forward_size=24, norm=norm)
    return Transformer(9, 11, shape, num_layers=2, **options)


def tokens(time: int, size: int = 11) -> torch.Tensor:
    return torch.randint(size, (3, time))


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize(
    "options", [{}, {"positions": "learned", "longest": 40}, {"tied": True}], ids=str
)
def test_step_by_step_is_the_whole_target_at_once(norm: str, options: dict) -> None:
    model, source, target = make(norm, **options), tokens(6, 9), tokens(20)
    whole = model(source, LENGTHS, target).log_softmax(-1)
    memory = model.encode(source, LENGTHS)
    state = model.initial_state(memory)
    for t in range(20):
        log_probabilities, state = model.next_step(target[:, t], state, memory)
        torch.testing.assert_close(log_probabilities, whole[:, t], rtol=1e-4, atol=1e-5)


def test_rows_of_one_sample_share_its_memory_and_are_reordered_alone() -> None:
    model, source = make(), tokens(6, 9)
    memory = model.encode(source, LENGTHS)
    rows = torch.tensor([0, 0, 1, 1, 2, 2])
    first, second = torch.randint(11, (6,)), torch.randint(11, (6,))
    parents = torch.tensor([1, 1, 2, 3, 5, 4])
    _, state = model.next_step(first, select(model.initial_state(memory), rows), memory)
    found, _ = model.next_step(second, select(state, parents), memory)
    targets = torch.stack([first[parents], second], 1)
    expected = model(source[rows], LENGTHS[rows], targets).log_softmax(-1)[:, 1]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_some_samples_of_a_memory_can_be_taken() -> None:
    model, source, target = make(), tokens(6, 9), tokens(1)[:, 0]
    memory = model.encode(source, LENGTHS)
    expected, _ = model.next_step(target, model.initial_state(memory), memory)
    some = select(memory, torch.tensor([2, 0]))
    found, _ = model.next_step(target[[2, 0]], model.initial_state(some), some)
    torch.testing.assert_close(found, expected[[2, 0]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_logits_are_torchs_with_padding(norm: str) -> None:
    model, source, target = make(norm), tokens(6, 9), tokens(5)
    theirs = torch.nn.Transformer(
        16, 4, 2, 2, 24, dropout=0.0, batch_first=True, norm_first=norm == "pre"
    )
    model.encoder.final_norm = torch.nn.LayerNorm(16)  # torch's has one also after "post"
    model.decoder.final_norm = torch.nn.LayerNorm(16)
    load_torch_transformer(model.encoder, theirs.state_dict(), prefix="encoder.")
    load_torch_transformer(model.decoder, theirs.state_dict(), prefix="decoder.")
    padding = ~mask_of_lengths(LENGTHS, 6)
    places = model.positions(torch.arange(6))
    outputs = theirs(
        4 * model.source_embedding(source) + places,
        4 * model.embedding(target) + places[:5],
        tgt_mask=theirs.generate_square_subsequent_mask(5),
        src_key_padding_mask=padding,
        memory_key_padding_mask=padding,
    )
    expected = model.output(outputs)
    torch.testing.assert_close(model(source, LENGTHS, target), expected, rtol=1e-5, atol=1e-5)


def test_padding_of_source_and_target_changes_nothing() -> None:
    model, source, target = make(), tokens(6, 9), tokens(7)
    padded = model(source, LENGTHS, target, torch.tensor([7, 3, 5]))
    alone = model(source[1:2, :2], None, target[1:2, :3])
    torch.testing.assert_close(padded[1:2, :3], alone, rtol=1e-4, atol=1e-5)


def test_the_loss_is_minus_the_log_probability_and_zero_at_padding() -> None:
    model, source, target, targets = (
        make(label_smoothing=0.1).eval(),
        tokens(6, 9),
        tokens(5),
        tokens(5),
    )
    lengths = torch.tensor([5, 1, 3])
    losses = model.loss(source, LENGTHS, target, targets, lengths)
    chosen = model(source, LENGTHS, target).log_softmax(-1).gather(2, targets.unsqueeze(2))
    expected = torch.where(mask_of_lengths(lengths, 5), -chosen.squeeze(2), 0.0)
    torch.testing.assert_close(losses, expected)


def test_smoothed_labels_spread_a_share_over_the_vocabulary_in_training() -> None:
    model, source, target, targets = make(label_smoothing=0.2), tokens(6, 9), tokens(5), tokens(5)
    losses = model.loss(source, LENGTHS, target, targets)
    truth = 0.8 * F.one_hot(targets, 11) + 0.2 / 11
    expected = -(truth * model(source, LENGTHS, target).log_softmax(-1)).sum(-1)
    torch.testing.assert_close(losses, expected)


def test_the_alignment_sums_to_one_over_real_positions() -> None:
    weights = make().alignment(tokens(6, 9), LENGTHS, tokens(5))
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 5))
    assert not weights[1, :, 2:].any()


def test_shared_and_tied_embeddings_are_one_parameter() -> None:
    shape = TransformerOptions(16, heads=4)
    model = Transformer(9, 9, shape, num_layers=1, shared=True, tied=True)
    assert model.output.weight is model.embedding.weight is model.source_embedding.weight


def test_it_learns_to_reverse() -> None:
    torch.manual_seed(0)
    shape = TransformerOptions(32, heads=4, feed_forward_size=64)
    model = Transformer(8, 9, shape, num_layers=1, label_smoothing=0.05)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(250):
        source = torch.randint(8, (32, 6))
        targets = source.flip(1)
        target_in = F.pad(targets[:, :-1], (1, 0), value=8)
        model.loss(source, None, target_in, targets).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval()
    source = torch.randint(8, (64, 6))
    memory = model.encode(source)
    state, read, written = model.initial_state(memory), torch.full((64,), 8), []
    for _ in range(6):
        log_probabilities, state = model.next_step(read, state, memory)
        read = log_probabilities.argmax(-1)
        written.append(read)
    exact = (torch.stack(written, 1) == source.flip(1)).all(1).float().mean()
    assert exact > 0.9


def test_dropout_and_smoothing_are_off_in_evaluation() -> None:
    shape = TransformerOptions(16, heads=4, dropout=0.5)
    model, source, target = Transformer(9, 11, shape, num_layers=1), tokens(6, 9), tokens(5)
    assert not torch.equal(model(source, None, target), model(source, None, target))
    model.eval()
    assert torch.equal(model(source, None, target), model(source, None, target))


def test_an_untrained_model_is_near_to_knowing_nothing() -> None:
    losses = make().loss(tokens(6, 9), LENGTHS, tokens(5), tokens(5))
    assert abs(losses.mean().item() - math.log(11)) < 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared": True}, "source has 9 tokens and the target 11"),
        ({"positions": "learned"}, "learned positions need the longest length"),
        ({"longest": 5}, "longest is for learned positions"),
        ({"label_smoothing": 1.0}, "label_smoothing must be"),
        ({"num_layers": 0}, "num_layers must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, message: str) -> None:
    settings = {"num_layers": 2} | options
    with pytest.raises(SettingsError, match=message):
        Transformer(9, 11, TransformerOptions(16, heads=4), **settings)


def test_tokens_of_another_shape_are_refused() -> None:
    model = make()
    with pytest.raises(ShapeError, match="source must be integers"):
        model(torch.randn(3, 6), None, tokens(5))
    with pytest.raises(ShapeError, match="there are 3 sources and 2 targets"):
        model(tokens(6, 9), None, tokens(5)[:2])
    with pytest.raises(ShapeError, match="targets must be"):
        model.loss(tokens(6, 9), None, tokens(5), tokens(4))
    with pytest.raises(ShapeError, match="target_lengths must be"):
        model(tokens(6, 9), None, tokens(5), torch.tensor([5]))


def test_a_target_beyond_learned_positions_is_refused_in_words() -> None:
    model = make(positions="learned", longest=6)
    with pytest.raises(ShapeError, match="there are 6 learned positions"):
        model(tokens(6, 9), None, tokens(7))
