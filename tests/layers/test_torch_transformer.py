"""The same numbers as torch's Transformer with the same weights."""

import pytest
import torch

from ostinato.errors import CheckpointError
from ostinato.layers import (
    CausalTransformer,
    TransformerDecoder,
    TransformerEncoder,
    TransformerOptions,
    load_torch_transformer,
    mask_of_lengths,
    torch_transformer_state_dict,
)

SIZE, HEADS, UNITS, LAYERS = 16, 4, 24, 2
NORMS = pytest.mark.parametrize("norm", ["pre", "post"])
ACTIVATIONS = pytest.mark.parametrize("activation", ["relu", "gelu"])


def torch_transformer(norm: str, activation: str) -> torch.nn.Transformer:
    """With biases and norms that are not those of the start."""
    torch.manual_seed(1)
    model = torch.nn.Transformer(
        SIZE,
        HEADS,
        LAYERS,
        LAYERS,
        UNITS,
        dropout=0.0,
        activation=activation,
        batch_first=True,
        norm_first=norm == "pre",
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def stacks(norm: str, activation: str) -> tuple[TransformerEncoder, TransformerDecoder]:
    options = TransformerOptions(SIZE, HEADS, UNITS, norm, activation)
    return (
        TransformerEncoder(options, LAYERS, final_norm=True),
        TransformerDecoder(options, LAYERS, final_norm=True),
    )


@NORMS
@ACTIVATIONS
def test_encoder_and_decoder_are_torchs_with_padding(norm: str, activation: str) -> None:
    theirs, (encoder, decoder) = torch_transformer(norm, activation), stacks(norm, activation)
    load_torch_transformer(encoder, theirs.state_dict(), prefix="encoder.")
    load_torch_transformer(decoder, theirs.state_dict(), prefix="decoder.")
    source, target, lengths = torch.randn(3, 7, SIZE), torch.randn(3, 5, SIZE), [7, 4, 1]
    usable = mask_of_lengths(torch.tensor(lengths), 7)
    expected = theirs(
        source,
        target,
        tgt_mask=theirs.generate_square_subsequent_mask(5),
        tgt_is_causal=True,
        src_key_padding_mask=~usable,
        memory_key_padding_mask=~usable,
    )
    memory = encoder(source, lengths=torch.tensor(lengths))
    ours = decoder(target, decoder.prepare(memory), memory_mask=usable.unsqueeze(1))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


@NORMS
def test_gradients_are_torchs(norm: str) -> None:
    theirs, (encoder, _) = torch_transformer(norm, "relu").encoder, stacks(norm, "relu")
    load_torch_transformer(encoder, theirs.state_dict())
    inputs = torch.randn(2, 5, SIZE)
    for model in (theirs, encoder):
        model(inputs).square().sum().backward()
    expected = theirs.layers[0].self_attn.in_proj_weight.grad
    attention = encoder.blocks[0].attention
    ours = torch.cat([attention.query.weight.grad, attention.keys_values.weight.grad])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@NORMS
def test_an_encoder_without_a_norm_at_its_end_is_torchs(norm: str) -> None:
    layer = torch.nn.TransformerEncoderLayer(
        SIZE, HEADS, UNITS, 0.0, batch_first=True, norm_first=norm == "pre"
    )
    theirs = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    ours = TransformerEncoder(
        TransformerOptions(SIZE, HEADS, UNITS, norm), LAYERS, final_norm=False
    )
    load_torch_transformer(ours, theirs.state_dict())
    inputs = torch.randn(2, 5, SIZE)
    torch.testing.assert_close(ours(inputs), theirs(inputs), rtol=1e-5, atol=1e-5)


def test_a_causal_transformer_is_torchs_encoder_with_a_causal_mask() -> None:
    theirs = torch_transformer("pre", "gelu").encoder
    ours = CausalTransformer(
        SIZE, LAYERS, context=9, heads=HEADS, feed_forward_size=UNITS, activation="gelu"
    )
    load_torch_transformer(ours, theirs.state_dict())
    inputs = torch.randn(2, 9, SIZE)
    embedded = SIZE**0.5 * inputs + ours.positions(torch.arange(9))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(9)
    expected = theirs(embedded, mask=mask, is_causal=True)
    torch.testing.assert_close(ours(inputs)[0], expected, rtol=1e-5, atol=1e-5)


@NORMS
def test_weights_go_back_to_torch(norm: str) -> None:
    theirs, (_, decoder) = torch_transformer(norm, "relu"), stacks(norm, "relu")
    weights = torch_transformer_state_dict(decoder)
    theirs.decoder.load_state_dict(weights)
    load_torch_transformer(decoder, theirs.decoder.state_dict())
    back = torch_transformer_state_dict(decoder)
    assert all(torch.equal(back[name], weight) for name, weight in weights.items())


def test_weights_of_another_depth_or_width_are_refused() -> None:
    weights, (encoder, _) = torch_transformer("pre", "relu").state_dict(), stacks("pre", "relu")
    with pytest.raises(CheckpointError, match=r"missing \['layers.0.linear1.bias'"):
        load_torch_transformer(encoder, weights)
    wide = TransformerEncoder(TransformerOptions(SIZE, HEADS, 25), LAYERS, final_norm=True)
    with pytest.raises(CheckpointError, match=r"linear1.* has shape \(24"):
        load_torch_transformer(wide, weights, prefix="encoder.")
