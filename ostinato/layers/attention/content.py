"""The content-based score: how alike two vectors are (Graves 2014)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers.attention.score import ScoreFunction


class ContentScore(ScoreFunction):
    """The cosine between a key and what is looked for, sharpened by a strength.

        k_t = W q_t + b                                   what is looked for
        beta_t = softplus(w . q_t + c)                    strength, above 0
        score(q_t, key) = beta_t (k_t . key) / (|k_t| |key|)

    Args:
        query_size, key_size: features of a query and of a key.
        strength: beta where the query is zero, at first; w starts at zero. A cosine differs by 2
            at most, so that with beta = 1 no weight is above 7.4 times another.

    Raises:
        SettingsError: a strength that is not above 0.

    Source: Graves, Wayne and Danihelka 2014, equations 5 and 6; k_t and beta_t come from the
    controller there, as here from the query.
    """

    name = "content"

    def __init__(self, query_size: int, key_size: int, *, strength: float = 5.0) -> None:
        super().__init__(query_size, key_size)
        if not 0 < strength < math.inf:
            raise SettingsError(f"strength must be above 0, got {strength!r}")
        self.wanted = nn.Linear(query_size, key_size)
        self.strength = nn.Linear(query_size, 1)
        nn.init.zeros_(self.strength.weight)
        # The inverse of softplus, in the form that does not overflow.
        nn.init.constant_(self.strength.bias, strength + math.log(-math.expm1(-strength)))

    def project_keys(self, keys: Tensor) -> Tensor:
        return _unit(keys)

    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        cosine = torch.bmm(_unit(self.wanted(query)), keys.transpose(1, 2))
        return F.softplus(self.strength(query)) * cosine


def _unit(vectors: Tensor) -> Tensor:
    # A vector of zeros, as in padding, has no direction: it stays zero.
    return F.normalize(vectors, dim=-1, eps=1e-6)
