"""From the steps of a sample to the features that a recurrent layer reads."""

import torch
from torch import Tensor, nn

from ostinato.errors import ShapeError
from ostinato.layers import check_rate


class TokenSteps(nn.Module):
    """A learnt vector for each token.

    Args:
        vocabulary_size: tokens to tell apart.
        size: features of a token.
        unknown_index: the token that stands for what is not known; None: there is none.
        token_dropout: in training, the share of the tokens that are read as unknown.

    Raises:
        SettingsError: a share that cannot be.
    """

    def __init__(
        self,
        vocabulary_size: int,
        size: int,
        *,
        unknown_index: int | None = None,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("token_dropout", token_dropout)
        self.embedding = nn.Embedding(vocabulary_size, size)
        self.unknown_index = unknown_index
        self.token_dropout = token_dropout

    @property
    def output_size(self) -> int:
        """Features of a step."""
        return self.embedding.embedding_dim

    def forward(self, inputs: Tensor) -> Tensor:
        """Tokens (batch, time) to (batch, time, feature)."""
        if inputs.dim() != 2 or inputs.is_floating_point():
            raise ShapeError(f"inputs must be tokens (batch, time), got {tuple(inputs.shape)}")
        if self.training and self.token_dropout and self.unknown_index is not None:
            dropped = torch.rand(inputs.shape, device=inputs.device) < self.token_dropout
            inputs = torch.where(dropped, self.unknown_index, inputs)
        return self.embedding(inputs)


class NumberSteps(nn.Module):
    """Numbers as they are, or a linear map of them.

    Args:
        width: numbers of a step.
        size: features of a step after the map; None: no map.
    """

    def __init__(self, width: int, size: int | None = None) -> None:
        super().__init__()
        self.width = width
        self.linear = nn.Identity() if size is None else nn.Linear(width, size)
        self.output_size = width if size is None else size

    def forward(self, inputs: Tensor) -> Tensor:
        """Numbers (batch, time, width) to (batch, time, feature)."""
        if inputs.dim() != 3 or inputs.shape[2] != self.width:
            raise ShapeError(
                f"inputs must be (batch, time, feature) with {self.width} features, "
                f"got {tuple(inputs.shape)}"
            )
        return self.linear(inputs)
