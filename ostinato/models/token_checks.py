"""Are these token indices?"""

import torch
from torch import Tensor

from ostinato.errors import ShapeError


def check_tokens(name: str, tokens: Tensor, axes: tuple[str, ...]) -> None:
    """Raise ShapeError unless `tokens` are integers with these axes."""
    integers = not tokens.is_floating_point() and tokens.dtype != torch.bool
    if not integers or tokens.dim() != len(axes):
        raise ShapeError(
            f"{name} must be integers ({', '.join(axes)}{',' * (len(axes) == 1)}), token indices, "
            f"got {tokens.dtype} {tuple(tokens.shape)}"
        )
