"""Scores summed by our own code: as the equation in numpy, and as torch's own gradients."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from ostinato.engine.cpu import tanh_sums as engine
from ostinato.engine.cpu.target import avx2_target, host_target, portable_target
from ostinato.layers.tanh_sums import additive_scores

SHAPES = [(3, 4, 5, 7), (2, 3, 6, 16), (2, 1, 3, 37), (1, 1, 1, 1)]


def drawn(shape: tuple[int, ...], kind: torch.dtype = torch.float64) -> list[Tensor]:
    batch, steps, keys, features = shape
    torch.manual_seed(0)
    sizes = ((batch, keys, features), (batch, steps, features), (features,))
    return [torch.randn(size, dtype=kind, requires_grad=True) for size in sizes]


def in_torch(keys: Tensor, queries: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(keys.unsqueeze(1) + queries.unsqueeze(2)) @ weight


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_the_equation(shape: tuple[int, ...]) -> None:
    keys, queries, weight = (part.detach().numpy() for part in drawn(shape))
    found = additive_scores(*drawn(shape)).detach().numpy()
    for sample, step, key in product(*map(range, found.shape)):
        fit = weight @ np.tanh(keys[sample, key] + queries[sample, step])
        np.testing.assert_allclose(found[sample, step, key], fit, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("target", [host_target(), avx2_target(), portable_target()])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_processor_has_torchs_gradients(
    shape: tuple[int, ...], target, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    scalar = "float" if kind == torch.float32 else "double"
    if target.name == "avx2" and host_target().name == "portable":
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(engine, "_target", lambda kind: target.with_scalar(scalar))
    parts = drawn(shape, kind)
    ours, theirs = additive_scores(*parts), in_torch(*parts)
    torch.testing.assert_close(ours, theirs)
    back = torch.randn_like(ours)
    found, expected = (torch.autograd.grad(scores, parts, back) for scores in (ours, theirs))
    torch.testing.assert_close(found, expected)


def test_where_the_mask_is_false_is_no_score_and_no_gradient() -> None:
    parts = drawn((2, 3, 6, 16))
    mask = torch.rand(2, 3, 6) > 0.5
    ours, theirs = additive_scores(*parts, mask), torch.where(mask, in_torch(*parts), 0.0)
    torch.testing.assert_close(ours, theirs)
    back = torch.randn_like(ours)
    found, expected = (torch.autograd.grad(scores, parts, back) for scores in (ours, theirs))
    torch.testing.assert_close(found, expected)


def test_a_key_that_no_query_may_see_can_hold_anything() -> None:
    keys, queries, weight = drawn((2, 3, 4, 5))
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    mask[:, :, 1] = False
    spoilt = keys.detach().clone()
    spoilt[:, 1] = torch.nan
    spoilt.requires_grad_()
    scores = additive_scores(spoilt, queries, weight, mask)
    torch.testing.assert_close(scores, additive_scores(keys, queries, weight, mask))
    scores.sum().backward()
    assert spoilt.grad is not None
    assert spoilt.grad.isfinite().all()
    assert (spoilt.grad[:, 1] == 0).all()


def test_a_number_that_is_none_is_passed_on() -> None:
    keys, queries, weight = drawn((1, 2, 3, 4))
    with torch.no_grad():
        keys[0, 2, 3] = torch.nan
    assert additive_scores(keys, queries, weight).isnan().sum() == 2


def test_the_gradient_has_a_gradient() -> None:
    parts = drawn((2, 3, 4, 5))
    mask = torch.rand(2, 3, 4) > 0.3
    assert torch.autograd.gradcheck(lambda *given: additive_scores(*given, mask), parts)
    assert torch.autograd.gradgradcheck(lambda *given: additive_scores(*given, mask), parts)


def test_only_what_needs_a_gradient_gets_one() -> None:
    keys, queries, weight = drawn((2, 3, 4, 5))
    additive_scores(keys.detach(), queries, weight.detach()).sum().backward()
    assert queries.grad is not None
    assert weight.grad is None


def test_operands_may_lie_anyhow() -> None:
    parts = drawn((2, 3, 4, 5))
    apart = [part.detach().repeat_interleave(2, -1)[..., ::2] for part in parts]
    mask = (torch.rand(3, 2, 4) > 0.5).transpose(0, 1)
    expected = additive_scores(*parts, mask.contiguous())
    torch.testing.assert_close(additive_scores(*apart, mask), expected)


def test_no_keys_give_no_scores() -> None:
    keys, queries, weight = drawn((2, 3, 0, 5))
    scores = additive_scores(keys, queries, weight)
    scores.sum().backward()
    assert scores.shape == (2, 3, 0)
    assert queries.grad is not None
    assert (queries.grad == 0).all()


def test_any_number_of_threads_computes_the_same_bits() -> None:
    parts = drawn((5, 40, 40, 64), torch.float32)
    back = torch.randn(5, 40, 40)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        scores = additive_scores(*parts)
        found.append([scores, *torch.autograd.grad(scores, parts, back)])
    torch.set_num_threads(before)
    for several in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(found[0], several, strict=True))


def test_under_torchs_transforms_torch_computes_it() -> None:
    keys, queries, weight = (part.detach() for part in drawn((4, 3, 5, 6)))
    one_by_one = torch.func.vmap(
        lambda key, query: additive_scores(key[None], query[None], weight)[0]
    )
    torch.testing.assert_close(one_by_one(keys, queries), additive_scores(keys, queries, weight))
    half = [part.bfloat16() for part in (keys, queries, weight)]
    assert additive_scores(*half).dtype == torch.bfloat16
