"""What is rare is read as unknown now and then, so that a model learns what to do with such."""

import torch
from torch import Tensor

UNKNOWN_INDEX = 1


def some_unknown(indices: Tensor, counts: Tensor, a: float) -> Tensor:
    """Indices of which one that stands n times is `UNKNOWN_INDEX` with probability a / (n + a).

    Args:
        indices: of any shape.
        counts: how often each stands in the training data.
        a: more than 0.

    Source: Kiperwasser and Goldberg 2016, section 4.1 (word dropout).
    """
    chance = a / (counts[indices] + a)
    return torch.where(torch.bernoulli(chance).bool(), UNKNOWN_INDEX, indices)
