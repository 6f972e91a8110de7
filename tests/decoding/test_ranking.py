"""The highest scores, against a plain sort by score and then by index."""

import pytest
import torch

from ostinato.decoding.ranking import highest


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_of_equal_scores_the_lowest_index_comes_first(count: int, levels: int) -> None:
    scores = torch.randint(-levels, 0, (200, 12)).float()
    scores[torch.rand(200, 12) < 0.3] = -torch.inf
    values, indices = highest(scores, count)
    expected = [sorted(range(12), key=lambda i, row=row: (-row[i], i)) for row in scores.tolist()]
    assert indices.tolist() == [order[:count] for order in expected]
    assert torch.equal(values, scores.gather(1, indices))
