"""The losses of a softmax over a vocabulary, with its logits written once."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ostinato.engine.cpu.large_products import multiply
from ostinato.engine.precision import autocast_rounds

_NUMBERS_AT_ONCE = 1 << 20
"""Of the logits that are worked on together, so that they are still near: 4 MB in float32."""


def vocabulary_losses(
    features: Tensor,
    output: nn.Linear,
    targets: Tensor,
    counted: Tensor,
    *,
    smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of each counted target, against a mixture of it and the uniform distribution.

        loss = log sum_v e^(l_v) - (1 - e) l_target - e / V sum_v l_v        l_v = w_v x + b_v

    As `smoothed_losses` of a softmax, but what is needed of the other logits, their normaliser and
    their mean, is computed as such, and nothing at all where no loss counts.

    Args:
        features: x (batch, time, size).
        output: W (vocabulary, size) and b.
        targets: integers (batch, time).
        counted: booleans (batch, time).
        smoothing: e.

    Returns:
        (batch, time), in nats, 0 where not counted; in float32 or better.

    Source: Szegedy et al. 2016, section 7, for the smoothing.
    """
    x, indices = _at_least_float32(features.flatten(0, 1)), targets.flatten().long()
    weight, bias = _at_least_float32(output.weight), _at_least_float32(output.bias)
    places = None
    if x.device.type == "cpu":  # elsewhere to choose them would be to wait for the device
        places = counted.flatten().nonzero().squeeze(1)
        x, indices = x[places], indices[places]
    chosen, factors = F.embedding(indices, weight), x
    if rounds(x):
        chosen, factors = chosen.bfloat16().float(), x.bfloat16().float()
    truth = (factors * chosen).sum(1) + bias[indices]
    losses = log_normaliser(x, weight, bias) - (1 - smoothing) * truth
    if smoothing:
        losses = losses - smoothing * (x @ weight.mean(0) + bias.mean())
    if places is not None:
        losses = losses.new_zeros(targets.numel()).index_copy(0, places, losses)
    return torch.where(counted, losses.view(targets.shape), 0.0)


def log_normaliser(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The logarithm of a softmax's denominator.

        log sum_v exp(w_v x + b_v)

    The logits of a vocabulary are by far the largest thing that such a model computes. Here they
    are written once, by rows that fit a cache. Their exponentials take their place and serve the
    gradient, which is a product of them with the weights and one with the features:

        gradient_x = 1/s (e^(l - m) W)        gradient_W = e^(l - m)^T (x / s)

    with the largest logit m and the sum s of a row. Under autocast to bfloat16 the factors of the
    products are rounded to it, and summed in float32. The gradient itself has no gradient.

    Args:
        features: x (rows, size).
        weight: W (vocabulary, size).
        bias: b (vocabulary,).

    Returns:
        (rows,).

    Example:
        >>> x, w, b = torch.randn(3, 4), torch.randn(9, 4), torch.randn(9)
        >>> torch.allclose(log_normaliser(x, w, b), (x @ w.T + b).logsumexp(1), atol=1e-5)
        True
    """
    return _LogNormaliser.apply(features, weight, bias, rounds(features))


def rounds(features: Tensor) -> bool:
    """Whether autocast asks for products in bfloat16."""
    if features.device.type == "cpu":
        return autocast_rounds()
    kind = features.device.type
    return torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16


class _LogNormaliser(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, rounded: bool) -> Tensor:
        trained = any(ctx.needs_input_grad)
        rows, vocabulary = features.shape[0], weight.shape[0]
        at_once = max(1, _NUMBERS_AT_ONCE // vocabulary)
        kept = features.new_empty(rows if trained else min(rows, at_once), vocabulary)
        sums, largest = features.new_empty(rows), features.new_empty(rows)
        for start in range(0, rows, at_once):
            part = slice(start, start + at_once)
            count = len(sums[part])
            logits = kept[part] if trained else kept[:count]
            _product(features[part], weight.t(), logits, rounded=rounded)
            torch.amax(logits.add_(bias), 1, out=largest[part])
            torch.sum(logits.sub_(largest[part].unsqueeze(1)).exp_(), 1, out=sums[part])
        ctx.rounded = rounded
        if trained:
            ctx.save_for_backward(features, weight, kept, sums)
        return largest + sums.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, exponentials, sums = ctx.saved_tensors
        share = gradients[0] / sums
        into_features = into_weight = into_bias = None
        if ctx.needs_input_grad[0]:
            into_features = torch.empty_like(features)
            _product(exponentials, weight, into_features, rounded=ctx.rounded)
            into_features *= share.unsqueeze(1)
        if ctx.needs_input_grad[1]:
            into_weight = torch.empty_like(weight)
            scaled = features * share.unsqueeze(1)
            _product(exponentials.t(), scaled, into_weight, rounded=ctx.rounded)
        if ctx.needs_input_grad[2]:
            into_bias = torch.mv(exponentials.t(), share)
        return into_features, into_weight, into_bias, None


def _product(left: Tensor, right: Tensor, out: Tensor, *, rounded: bool) -> None:
    """left @ right into `out`, which is in the precision of both."""
    if left.device.type == "cpu":
        multiply(left, right, out, operand="bfloat16" if rounded else "same")
    elif rounded:
        out.copy_(left.bfloat16() @ right.bfloat16())
    else:
        torch.mm(left, right, out=out)


def _at_least_float32(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
