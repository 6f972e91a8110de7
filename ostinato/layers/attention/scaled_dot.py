"""The scaled dot-product score (Vaswani 2017)."""

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.layers.attention.score import ScoreFunction, check_equal_sizes


class ScaledDotScore(ScoreFunction):
    """The product, divided by its standard deviation for features of variance 1; no weights.

        score(q_t, key_s) = q_t . key_s / sqrt(size)

    Where the weights are not asked for, torch's fused kernel computes the context.

    Args:
        query_size, key_size: features of a query and of a key; they must be equal.

    Raises:
        SettingsError: query and key have different sizes.

    Source: Vaswani et al. 2017, equation 1.
    """

    name = "scaled-dot"

    def __init__(self, query_size: int, key_size: int) -> None:
        check_equal_sizes("scaled dot-product", query_size, key_size)
        super().__init__(query_size, key_size)

    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2)) / math.sqrt(self.query_size)
