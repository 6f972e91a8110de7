"""The additive score: a small network sees query and key (Bahdanau 2015)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells import check_size
from ostinato.errors import ShapeError
from ostinato.layers.attention.score import ScoreFunction
from ostinato.layers.tanh_sums import additive_scores


class AdditiveScore(ScoreFunction):
    """A network of one hidden layer.

        score(q_t, key_s) = v . tanh(W q_t + U key_s)
        with coverage:      v . tanh(W q_t + U key_s + w_c C_{t,s})

    Args:
        query_size, key_size: features of a query and of a key.
        size: hidden units; None: query_size.
        coverage: the score also reads C_{t,s}, how much position s was attended to before step t
            (Tu 2016, equation 7; See 2017, equation 11).

    Source: Bahdanau, Cho and Bengio 2015, section A.1.2; U key_s is computed once, as there.
    """

    name = "additive"

    def __init__(
        self, query_size: int, key_size: int, *, size: int | None = None, coverage: bool = False
    ) -> None:
        super().__init__(query_size, key_size)
        size = query_size if size is None else size
        check_size("size", size)
        self.of_query = nn.Linear(query_size, size, bias=False)
        self.of_key = nn.Linear(key_size, size, bias=False)
        self.of_hidden = nn.Linear(size, 1, bias=False)
        self.of_coverage = nn.Linear(1, size, bias=False) if coverage else None

    def project_keys(self, keys: Tensor) -> Tensor:
        return self.of_key(keys)

    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        if (coverage is None) != (self.of_coverage is None):
            raise ShapeError(
                "an additive score made with coverage=True must be given the coverage of the "
                "steps before, and one made without it none"
            )
        projected = self.of_query(query)
        if self.of_coverage is None or coverage is None:
            return additive_scores(keys, projected, self.of_hidden.weight.squeeze(0))
        hidden = projected.unsqueeze(2) + keys.unsqueeze(1)
        hidden = hidden + self.of_coverage(coverage.unsqueeze(-1))
        return F.linear(torch.tanh(hidden), self.of_hidden.weight).squeeze(-1)
