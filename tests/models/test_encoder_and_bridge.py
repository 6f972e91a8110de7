"""The encoder reads either way; the bridge hands on what it says."""

import pytest
import torch

from ostinato import GRU, LSTM, FeedForward, PlainDecoder, Recurrent, RecurrentEncoder, SLSTMCell
from ostinato.errors import SettingsError
from ostinato.models import Bridge


def test_a_reversed_source_is_read_from_its_own_last_token() -> None:
    encoder = RecurrentEncoder(9, 4, GRU(4, 5), reverse_source=True)
    source, lengths = torch.randint(9, (2, 6)), torch.tensor([6, 3])
    encoded = encoder(source, lengths)
    for row, length in enumerate(lengths.tolist()):
        backwards = encoder.embedding(source[row : row + 1, :length].flip(1))
        outputs, state = encoder.recurrent(backwards)
        torch.testing.assert_close(encoded.outputs[row, :length], outputs[0].flip(0))
        torch.testing.assert_close(encoded.state[0].hidden[row], state[0].hidden[0])
    assert (encoded.outputs[1, 3:] == 0).all()


def test_dropout_of_the_encoder_acts_in_training_only() -> None:
    encoder, source = RecurrentEncoder(9, 4, GRU(4, 5), dropout=0.5), torch.randint(9, (2, 6))
    assert not torch.equal(encoder(source).outputs, encoder(source).outputs)
    encoder.eval()
    assert torch.equal(encoder(source).outputs, encoder(source).outputs)


def test_a_copying_bridge_hands_the_state_on() -> None:
    layer = LSTM(4, 5, 2)
    _, state = layer(torch.randn(2, 3, 4))
    assert Bridge(layer, LSTM(7, 5, 2), "copy")(state, None) is state


def test_a_dense_bridge_is_tanh_of_both_directions() -> None:
    encoder, decoder = GRU(4, 5, bidirectional=True), GRU(4, 6)
    bridge = Bridge(encoder, decoder, "dense")
    _, state = encoder(torch.randn(2, 3, 4))
    (started,) = bridge(state, decoder.initial_state(2))
    both = torch.cat([state[0].forward.hidden, state[0].backward.hidden], 1)
    torch.testing.assert_close(started.hidden, torch.tanh(bridge.dense[0]["hidden"](both)))


def test_a_dense_bridge_makes_an_lstms_memory_without_tanh() -> None:
    encoder, decoder = GRU(4, 5), LSTM(4, 6, 2)
    bridge = Bridge(encoder, decoder, "dense")
    _, state = encoder(torch.randn(2, 3, 4))
    started = bridge(state, decoder.initial_state(2))
    for depth in range(2):
        expected = bridge.dense[depth]["memory"](state[0].hidden)
        torch.testing.assert_close(started[depth].memory, expected)


def test_a_dense_bridge_leaves_an_slstms_other_parts_as_they_begin() -> None:
    decoder = Recurrent([SLSTMCell(4, 6)])
    bridge = Bridge(GRU(4, 5), decoder, "dense")
    _, state = GRU(4, 5)(torch.randn(2, 3, 4))
    initial = decoder.initial_state(2)
    (started,) = bridge(state, initial)
    assert started.normaliser is initial[0].normaliser
    assert not torch.equal(started.hidden, initial[0].hidden)


def test_layers_of_the_same_depth_are_paired() -> None:
    encoder, decoder = GRU(4, 5, 2), GRU(4, 6, 2)
    bridge = Bridge(encoder, decoder, "dense")
    _, state = encoder(torch.randn(2, 3, 4))
    started = bridge(state, decoder.initial_state(2))
    expected = torch.tanh(bridge.dense[0]["hidden"](state[0].hidden))
    torch.testing.assert_close(started[0].hidden, expected)


@pytest.mark.parametrize(
    "encoder", [GRU(4, 5), LSTM(4, 6), LSTM(4, 5, 2), LSTM(4, 5, bidirectional=True)]
)
def test_copying_between_unequal_layers_is_refused(encoder: torch.nn.Module) -> None:
    with pytest.raises(SettingsError, match='bridge="dense"'):
        Bridge(encoder, LSTM(4, 5), "copy")


def test_a_learned_state_that_the_bridge_would_hide_is_refused() -> None:
    with pytest.raises(SettingsError, match="learned initial state"):
        Bridge(GRU(4, 5), GRU(4, 5, learned_initial_state=True), "dense")


def test_a_dense_bridge_needs_something_to_start_from() -> None:
    with pytest.raises(SettingsError, match="carry a state"):
        Bridge(FeedForward(4, 5), GRU(4, 5), "dense")


def test_a_decoder_that_reads_both_ways_is_refused() -> None:
    with pytest.raises(SettingsError, match="a decoder cannot read both ways"):
        PlainDecoder(9, 4, GRU(4, 5, bidirectional=True))
