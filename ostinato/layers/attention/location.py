"""The location-based score: where to look is known without looking at the keys (Luong 2015)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells import check_size
from ostinato.layers.attention.score import ScoreFunction


class LocationScore(ScoreFunction):
    """A score for each position, from the query alone.

        score(q_t) = W q_t            a row of W for each source position

    As in the paper, a shorter source uses the first rows, and of a longer one what lies behind
    the last row is never attended to.

    Args:
        query_size, key_size: features of a query and of a key; the keys are not read.
        longest: rows of W, the source positions that can be attended to.

    Source: Luong, Pham and Manning 2015, equation 8.
    """

    name = "location"

    def __init__(self, query_size: int, key_size: int, *, longest: int) -> None:
        super().__init__(query_size, key_size)
        check_size("longest", longest)
        self.longest = longest
        self.of_query = nn.Linear(query_size, longest, bias=False)

    def usable(self, mask: Tensor) -> Tensor:
        reached = torch.arange(mask.shape[1], device=mask.device) < self.longest
        return mask & reached

    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        time = keys.shape[1]
        scores = F.linear(query, self.of_query.weight[:time])
        return F.pad(scores, (0, max(0, time - self.longest)))
