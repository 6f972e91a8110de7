"""Scores by a small network of one hidden layer, v . tanh(W q + U k), for every query and key.

In plain torch tanh(W q + U k) is a tensor (batch, steps, keys, features), written once forward and
read again backward: by far the largest of such an attention. On the CPU our own code sums each
score as it goes and computes the tanh again backward, so that no pair is ever in memory.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import _C, Tensor

from ostinato.engine.cache import machine_obstacle
from ostinato.engine.compiled import is_plain_call
from ostinato.engine.cpu.tanh_sums import tanh_sum_gradients, tanh_sums


def additive_scores(
    keys: Tensor, queries: Tensor, weight: Tensor, mask: Tensor | None = None
) -> Tensor:
    """How well each key fits each query.

        score_tj = sum_h v_h tanh(k_jh + q_th)

    Args:
        keys: U k_j, (batch, keys, features).
        queries: W q_t, (batch, steps, features).
        weight: v, (features,).
        mask: booleans (batch, steps, keys), True = the score is wanted. Elsewhere it is 0 and has
            no gradient. None: all are.

    Returns:
        (batch, steps, keys).

    Example:
        >>> keys, queries, weight = torch.zeros(1, 2, 3), torch.ones(1, 1, 3), torch.ones(3)
        >>> additive_scores(keys, queries, weight)  # 3 tanh(1)
        tensor([[[2.2848, 2.2848]]])
    """
    if _runs_compiled((keys, queries, weight)):
        return _Scores.apply(keys, queries, weight, mask)
    return _by_torch(keys, queries, weight, mask)


def _by_torch(keys: Tensor, queries: Tensor, weight: Tensor, mask: Tensor | None) -> Tensor:
    """The equation in torch's own operations: what our code must agree with."""
    summed = torch.tanh(queries.unsqueeze(2) + keys.unsqueeze(1))
    scores = F.linear(summed, weight.unsqueeze(0)).squeeze(-1)
    return scores if mask is None else torch.where(mask, scores, 0.0)


def _runs_compiled(given: tuple[Tensor, ...]) -> bool:
    kind = given[0].dtype
    return (
        kind in (torch.float32, torch.float64)
        and all(type(each) in _PLAIN and each.is_cpu and each.dtype == kind for each in given)
        and is_plain_call()
        and _C._get_tracing_state() is None
        and machine_obstacle() is None
    )


_PLAIN = (Tensor, torch.nn.Parameter)


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, keys: Tensor, queries: Tensor, weight: Tensor, mask: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(keys, queries, weight, mask)
        return tanh_sums(
            keys.contiguous(), queries.contiguous(), weight.contiguous(), _contiguous(mask)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        keys, queries, weight, mask = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient itself is to have one
            return _differentiable_gradients(ctx, gradients[0])
        found = tanh_sum_gradients(
            keys.contiguous(),
            queries.contiguous(),
            weight.contiguous(),
            _contiguous(mask),
            gradients[0].contiguous(),
        )
        return *found, None


def _differentiable_gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    keys, queries, weight, mask = ctx.saved_tensors
    given = zip((keys, queries, weight), ctx.needs_input_grad, strict=False)
    wanted = [part for part, needed in given if needed]
    scores = _by_torch(keys, queries, weight, mask)
    found = iter(torch.autograd.grad(scores, wanted, gradient, create_graph=True))
    return *(next(found) if needed else None for needed in ctx.needs_input_grad[:3]), None


def _contiguous(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.contiguous()
