"""The dot-product score (Luong 2015)."""

from typing import Any

import torch
from torch import Tensor

from ostinato.layers.attention.score import ScoreFunction, check_equal_sizes


class DotScore(ScoreFunction):
    """The plain product; it has no weights.

        score(q_t, key_s) = q_t . key_s

    Args:
        query_size, key_size: features of a query and of a key; they must be equal.

    Raises:
        SettingsError: query and key have different sizes.

    Source: Luong, Pham and Manning 2015, section 3.1, "dot".
    """

    name = "dot"

    def __init__(self, query_size: int, key_size: int) -> None:
        check_equal_sizes("dot-product", query_size, key_size)
        super().__init__(query_size, key_size)

    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))
