"""Each score function is its paper's equation, in numpy and by finite differences."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import (
    AdditiveScore,
    Attention,
    ContentScore,
    DotScore,
    GeneralScore,
    LocationScore,
    ScaledDotScore,
    ScoreFunction,
    build_score,
)
from ostinato.layers.attention import SCORES

SIZE = 4


def make(name: str, longest: int = 5) -> ScoreFunction:
    return build_score(name, SIZE, SIZE, longest=longest).double()


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.double)


def scores(score: ScoreFunction, query: Tensor, keys: Tensor) -> np.ndarray:
    return score(query, score.project_keys(keys)).detach().numpy()


def weight(module: torch.nn.Linear) -> np.ndarray:
    return module.weight.detach().numpy()


def test_content_is_a_cosine_times_a_strength() -> None:
    score, query, keys = ContentScore(3, 4).double(), numbers(2, 6, 3), numbers(2, 5, 4)
    torch.nn.init.normal_(score.strength.weight)
    q, k = query.numpy(), keys.numpy()
    wanted = q @ weight(score.wanted).T + score.wanted.bias.detach().numpy()
    beta = np.log1p(np.exp(q @ weight(score.strength).T + score.strength.bias.item()))
    dots = np.einsum("bti,bsi->bts", wanted, k)
    norms = np.linalg.norm(wanted, axis=2)[:, :, None] * np.linalg.norm(k, axis=2)[:, None]
    np.testing.assert_allclose(scores(score, query, keys), beta * dots / norms, rtol=1e-10)


@pytest.mark.parametrize("strength", [0.5, 1.0, 5.0, 60.0])
def test_content_starts_at_its_strength(strength: float) -> None:
    score = ContentScore(3, 4, strength=strength)
    started = torch.nn.functional.softplus(score.strength(torch.randn(3)))
    assert started.item() == pytest.approx(strength, rel=1e-5)


def test_additive_is_a_network_of_one_hidden_layer() -> None:
    score = AdditiveScore(3, 4, size=7).double()
    query, keys = numbers(2, 6, 3), numbers(2, 5, 4)
    of_query, of_key = (
        query.numpy() @ weight(score.of_query).T,
        keys.numpy() @ weight(score.of_key).T,
    )
    hidden = np.tanh(of_query[:, :, None] + of_key[:, None])
    expected = hidden @ weight(score.of_hidden)[0]
    np.testing.assert_allclose(scores(score, query, keys), expected, rtol=1e-10)


def test_additive_with_coverage_adds_it_inside() -> None:
    score = AdditiveScore(3, 4, coverage=True).double()
    query, keys, coverage = numbers(2, 1, 3), numbers(2, 5, 4), numbers(2, 1, 5)
    of_query, of_key = (
        query.numpy() @ weight(score.of_query).T,
        keys.numpy() @ weight(score.of_key).T,
    )
    of_coverage = coverage.numpy()[..., None] * weight(score.of_coverage)[:, 0]
    expected = np.tanh(of_query[:, :, None] + of_key[:, None] + of_coverage)
    expected = expected @ weight(score.of_hidden)[0]
    ours = score(query, score.project_keys(keys), coverage).detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_additive_with_coverage_refuses_to_go_without() -> None:
    score = AdditiveScore(3, 4, coverage=True)
    with pytest.raises(ShapeError, match="must be given the coverage"):
        score(torch.randn(1, 1, 3), score.project_keys(torch.randn(1, 2, 4)))


def test_location_has_a_row_a_position() -> None:
    score, query, keys = LocationScore(3, 4, longest=5).double(), numbers(2, 6, 3), numbers(2, 5, 4)
    expected = query.numpy() @ weight(score.of_query).T
    np.testing.assert_allclose(scores(score, query, keys), expected, rtol=1e-10)
    shorter = scores(score, query, keys[:, :3])
    np.testing.assert_allclose(shorter, expected[..., :3], rtol=1e-10)


def test_location_never_attends_behind_its_last_row() -> None:
    attention = Attention(LocationScore(3, 4, longest=2))
    _, weights = attention(torch.randn(2, 3), torch.randn(2, 5, 4), torch.randn(2, 5, 4))
    assert (weights[:, :2] > 0).all()
    assert (weights[:, 2:] == 0).all()


def test_general_has_a_matrix_between() -> None:
    score, query, keys = GeneralScore(3, 4).double(), numbers(2, 6, 3), numbers(2, 5, 4)
    expected = np.einsum("bti,ij,bsj->bts", query.numpy(), weight(score.of_key), keys.numpy())
    np.testing.assert_allclose(scores(score, query, keys), expected, rtol=1e-10)


@pytest.mark.parametrize(("kind", "scale"), [(DotScore, 1.0), (ScaledDotScore, 1 / math.sqrt(3))])
def test_dot_products_are_products(kind: type, scale: float) -> None:
    query, keys = numbers(2, 6, 3), numbers(2, 5, 3)
    expected = np.einsum("bti,bsi->bts", query.numpy(), keys.numpy()) * scale
    np.testing.assert_allclose(scores(kind(3, 3), query, keys), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", [DotScore, ScaledDotScore])
def test_products_of_unequal_sizes_are_refused(kind: type) -> None:
    with pytest.raises(SettingsError, match="a query has 3 features and a key 4"):
        kind(3, 4)


@pytest.mark.parametrize("name", SCORES)
def test_gradients_are_finite_differences(name: str) -> None:
    attention = Attention(make(name))
    query, keys, values = numbers(2, 3, SIZE), numbers(2, 5, SIZE), numbers(2, 5, 2)
    arguments = tuple(each.requires_grad_() for each in (query, keys, values))

    def context(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return attention(query, keys, values, lengths=torch.tensor([5, 3]))[0]

    assert torch.autograd.gradcheck(context, arguments)


@pytest.mark.parametrize("name", SCORES)
def test_weights_of_parameters_have_the_gradient_of_finite_differences(name: str) -> None:
    attention = Attention(make(name))
    query, keys = numbers(2, 3, SIZE), numbers(2, 5, SIZE)
    names = [name for name, _ in attention.named_parameters()] or ["none"]
    values = [p.detach().requires_grad_() for p in attention.parameters()]
    values = values or [torch.zeros((), dtype=torch.double, requires_grad=True)]

    def weights(*replaced: Tensor) -> Tensor:
        parameters = dict(zip(names, replaced, strict=True))
        parameters.pop("none", None)
        found = torch.func.functional_call(attention, parameters, (query, keys, keys))[1]
        return found + 0 * replaced[0].sum()

    assert torch.autograd.gradcheck(weights, tuple(values))


@pytest.mark.parametrize("name", SCORES)
def test_weights_are_the_softmax_of_the_scores(name: str) -> None:
    score, query, keys = make(name), numbers(2, 3, SIZE), numbers(2, 5, SIZE)
    context, weights = Attention(score)(query, keys, keys)
    exponentials = np.exp(scores(score, query, keys))
    expected = exponentials / exponentials.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights.detach().numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(context.detach().numpy(), expected @ keys.numpy(), rtol=1e-10)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"one of content, additive, .* got 'dots'"):
        build_score("dots", 3, 3)


def test_location_by_name_needs_its_positions() -> None:
    with pytest.raises(SettingsError, match="needs `longest`"):
        build_score("location", 3, 3)


def test_coverage_is_for_the_additive_score() -> None:
    with pytest.raises(SettingsError, match="not by general"):
        build_score("general", 3, 3, coverage=True)
