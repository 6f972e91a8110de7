"""The general score: a matrix between query and key (Luong 2015)."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.layers.attention.score import ScoreFunction


class GeneralScore(ScoreFunction):
    """A bilinear form.

        score(q_t, key_s) = q_t . W key_s

    Args:
        query_size, key_size: features of a query and of a key.

    Source: Luong, Pham and Manning 2015, section 3.1, "general".
    """

    name = "general"

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__(query_size, key_size)
        self.of_key = nn.Linear(key_size, query_size, bias=False)

    def project_keys(self, keys: Tensor) -> Tensor:
        return self.of_key(keys)

    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))
