"""Multi-head attention: torch's module, the equation, and nothing to read."""

import math

import numpy as np
import pytest
import torch

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import MultiHeadAttention, mask_of_lengths


def torch_twin(ours: MultiHeadAttention) -> torch.nn.MultiheadAttention:
    theirs = torch.nn.MultiheadAttention(ours.size, ours.heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.keys_values.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.keys_values.bias]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    return theirs


def make(size: int = 12, heads: int = 3) -> MultiHeadAttention:
    torch.manual_seed(0)
    attention = MultiHeadAttention(size, heads)
    for linear in (attention.query, attention.keys_values, attention.output):
        torch.nn.init.normal_(linear.bias)
    return attention


def test_it_is_torchs_with_lengths_and_weights() -> None:
    attention = make()
    inputs, memory, lengths = torch.randn(2, 4, 12), torch.randn(2, 6, 12), torch.tensor([6, 3])
    padding = ~mask_of_lengths(lengths, 6)
    expected, weights = torch_twin(attention)(
        inputs, memory, memory, key_padding_mask=padding, average_attn_weights=False
    )
    torch.testing.assert_close(attention(inputs, memory, lengths=lengths), expected)
    mask = mask_of_lengths(lengths, 6).unsqueeze(1)
    ours = attention.attend_with_weights(inputs, attention.prepare(memory), mask=mask)
    torch.testing.assert_close(ours.outputs, expected)
    torch.testing.assert_close(ours.weights, weights)


def test_one_head_is_the_equation() -> None:
    attention, inputs, memory = make(4, 1), torch.randn(1, 2, 4), torch.randn(1, 3, 4)
    query = attention.query(inputs)[0].detach().numpy()
    keys, values = np.split(attention.keys_values(memory)[0].detach().numpy(), 2, axis=1)
    scores = np.exp(query @ keys.T / math.sqrt(4))
    context = torch.from_numpy(scores / scores.sum(1, keepdims=True) @ values)
    torch.testing.assert_close(attention(inputs, memory)[0], attention.output(context))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_fused_kernel_is_the_equation_in_value_and_gradient(causal: bool, masked: bool) -> None:
    attention, inputs = make(), torch.randn(3, 5, 12, requires_grad=True)
    mask = (torch.rand(3, 5, 5) < 0.6) | torch.eye(5, dtype=torch.bool) if masked else None
    prepared = attention.prepare(inputs)
    fused = attention.attend(inputs, prepared, mask=mask, causal=causal)
    plain = attention.attend_with_weights(inputs, prepared, mask=mask, causal=causal).outputs
    torch.testing.assert_close(fused, plain)
    gradients = [
        torch.autograd.grad(
            outputs.square().sum(), [inputs, *attention.parameters()], retain_graph=True
        )
        for outputs in (fused, plain)
    ]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)


def test_a_step_with_nothing_to_read_gets_the_bias_and_a_finite_gradient() -> None:
    attention, inputs = make(), torch.randn(2, 3, 12, requires_grad=True)
    lengths = torch.tensor([3, 0])
    outputs = attention(inputs, inputs, lengths=lengths)
    torch.testing.assert_close(outputs[1], attention.output.bias.expand(3, 12))
    mask = mask_of_lengths(lengths, 3).unsqueeze(1)
    plain = attention.attend_with_weights(inputs, attention.prepare(inputs), mask=mask).outputs
    torch.testing.assert_close(plain, outputs)
    (fused_gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    (plain_gradient,) = torch.autograd.grad(plain.sum(), inputs)
    torch.testing.assert_close(fused_gradient, plain_gradient, rtol=1e-4, atol=1e-5)


def test_a_causal_step_does_not_see_what_comes() -> None:
    attention, inputs = make(), torch.randn(1, 5, 12)
    changed = inputs.clone()
    changed[:, 3:] += 1
    before, after = attention(inputs, causal=True), attention(changed, causal=True)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_dropout_acts_on_weights_in_training_only() -> None:
    attention = MultiHeadAttention(8, 2, dropout=0.5)
    inputs = torch.randn(2, 6, 8)
    assert not torch.equal(attention(inputs), attention(inputs))
    attention.eval()
    assert torch.equal(attention(inputs), attention(inputs))


def test_heads_that_do_not_divide_the_size_are_refused() -> None:
    with pytest.raises(SettingsError, match="heads must divide 10, got 4"):
        MultiHeadAttention(10, 4)


@pytest.mark.parametrize("mask", [torch.ones(5, 5, dtype=torch.bool), torch.ones(1, 5, 5)])
def test_a_mask_of_another_shape_or_type_is_refused(mask: torch.Tensor) -> None:
    with pytest.raises(ShapeError, match="mask must be booleans"):
        make()(torch.randn(2, 5, 12), mask=mask)
