"""Pointer scores are those of the equations, and obey their mask."""

import numpy as np
import pytest
import torch

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import Pointer


def everything(batch: int, time: int, inputs: int) -> torch.Tensor:
    return torch.ones(batch, time, inputs, dtype=torch.bool)


def as_numpy(pointer: Pointer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights = pointer.scores.key.weight, pointer.scores.query.weight, pointer.scores.weight
    return tuple(weight.detach().numpy() for weight in weights)


def test_scores_are_equation_3_of_vinyals_2015() -> None:
    pointer = Pointer(3, 4, 5).double()
    features = torch.randn(1, 6, 3, dtype=torch.double)
    queries = torch.randn(1, 2, 4, dtype=torch.double)
    found = pointer(pointer.prepare(features), queries, everything(1, 2, 6))
    first, second, vector = as_numpy(pointer)
    for step in range(2):
        preactivation = first @ features[0].numpy().T + (second @ queries[0, step].numpy())[:, None]
        scores = vector @ np.tanh(preactivation)
        expected = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(found[0, step].exp().detach().numpy(), expected, rtol=1e-10)


def test_a_glimpse_replaces_the_query_by_the_weighted_mean_of_the_features() -> None:
    pointer = Pointer(3, 4, 5, glimpses=1).double()
    features = torch.randn(2, 6, 3, dtype=torch.double)
    queries = torch.randn(2, 1, 4, dtype=torch.double)
    allowed = everything(2, 1, 6)
    allowed[0, 0, 2] = False
    looking = Pointer(3, 4, 5).double()
    looking.scores = pointer.glimpses[0]
    weights = looking(looking.prepare(features), queries, allowed).exp()
    plain = Pointer(3, 3, 5).double()
    plain.scores = pointer.scores
    expected = plain(plain.prepare(features), weights @ features, allowed)
    torch.testing.assert_close(pointer(pointer.prepare(features), queries, allowed), expected)


def test_clipped_scores_lie_within_the_clip() -> None:
    pointer = Pointer(3, 4, 5, clip=0.5)
    with torch.no_grad():
        pointer.scores.weight.mul_(100)
    features, queries = torch.randn(8, 6, 3), torch.randn(8, 2, 4)
    with torch.no_grad():
        found = pointer(pointer.prepare(features), queries, everything(8, 2, 6))
    assert float((found.amax(-1) - found.amin(-1)).max()) == pytest.approx(1.0)


def test_what_is_not_allowed_has_no_probability_and_the_rest_all_of_it() -> None:
    pointer = Pointer(3, 4, 5, glimpses=2, clip=10.0)
    allowed = torch.rand(8, 3, 6) < 0.5
    allowed[:, :, 1] = True
    with torch.no_grad():
        keys = pointer.prepare(torch.randn(8, 6, 3))
        found = pointer(keys, torch.randn(8, 3, 4), allowed).exp()
    assert float(found[~allowed].abs().max()) == 0
    torch.testing.assert_close(found.sum(-1), torch.ones(8, 3))


@pytest.mark.parametrize("options", [{"glimpses": -1}, {"clip": 0.0}])
def test_options_that_cannot_be_are_refused(options: dict) -> None:
    with pytest.raises(SettingsError):
        Pointer(3, 4, 5, **options)


def test_a_mask_of_another_shape_is_refused() -> None:
    pointer = Pointer(3, 4, 5)
    with pytest.raises(ShapeError, match="allowed must be booleans"):
        pointer(pointer.prepare(torch.randn(2, 6, 3)), torch.randn(2, 1, 4), everything(2, 1, 5))
