"""Multi-head scaled dot-product attention.

    head_h = softmax(Q_h K_h^T / sqrt(size of a head)) V_h,    Q_h = X W_h^Q + b, K_h, V_h alike
    outputs = [head_1; ...; head_H] W^O + b

Keys and values of a memory are projected once (`prepare`) and read as often as needed (`attend`).
Where the weights are not asked for, torch's fused kernel computes the same without storing them.

Source: Vaswani 2017, equation 1 and section 3.2.2.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers.dropout import inverted_mask
from ostinato.layers.options import check_rate


class PreparedKeys(NamedTuple):
    """A memory as an attention reads it: keys and values (batch, heads, time, size of a head)."""

    keys: Any
    values: Any


class Attended(NamedTuple):
    """Outputs (batch, query time, size), and weights (batch, heads, query time, key time)."""

    outputs: Tensor
    weights: Tensor


def mask_of_lengths(lengths: Tensor, time: int) -> Tensor:
    """Booleans (batch, time), True for the first `lengths` (batch,) steps of each sample.

    Example:
        >>> mask_of_lengths(torch.tensor([1, 3]), 3)
        tensor([[ True, False, False],
                [ True,  True,  True]])
    """
    return torch.arange(time, device=lengths.device) < lengths.unsqueeze(1)


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each on its own share of the features.

    Args:
        size: features of a step, going in and coming out.
        heads: attentions side by side; must divide `size`.
        memory_size: features of a step of the memory; None: `size`.
        dropout: share of the weights dropped in training.

    Raises:
        SettingsError: a size that the heads do not divide, or a value out of range.

    Example:
        >>> attention = MultiHeadAttention(16, heads=4)
        >>> inputs, memory = torch.randn(2, 3, 16), torch.randn(2, 5, 16)
        >>> attention(inputs, memory, lengths=torch.tensor([5, 2])).shape
        torch.Size([2, 3, 16])
        >>> attention.attend_with_weights(inputs, attention.prepare(memory)).weights.shape
        torch.Size([2, 4, 3, 5])
    """

    def __init__(
        self, size: int, heads: int, *, memory_size: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_heads(size, heads)
        check_rate("dropout", dropout)
        self.size, self.heads, self.dropout = size, heads, dropout
        self.memory_size = memory_size or size
        self.query = nn.Linear(size, size)
        self.keys_values = nn.Linear(self.memory_size, 2 * size)
        self.output = nn.Linear(size, size)
        for linear in (self.query, self.output):
            nn.init.xavier_uniform_(linear.weight)
        for half in self.keys_values.weight.chunk(2):
            nn.init.xavier_uniform_(half)
        for linear in (self.query, self.keys_values, self.output):
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        inputs: Tensor,
        memory: Tensor | None = None,
        *,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Each step of `inputs` reads the memory.

        Args:
            inputs: (batch, query time, size).
            memory: (batch, key time, memory_size); None: the inputs themselves.
            lengths: real steps of each sample of the memory (batch,); None: all.
            mask: booleans (batch or 1, query time or 1, key time), True = use; None: all.
            causal: step t reads the steps up to t alone.

        Returns:
            (batch, query time, size). A step with nothing to read gets the output's bias.

        Raises:
            ShapeError: a shape does not fit.
        """
        memory = inputs if memory is None else memory
        if lengths is not None:
            usable = mask_of_lengths(lengths, memory.shape[1]).unsqueeze(1)
            mask = usable if mask is None else mask & usable
        return self.attend(inputs, self.prepare(memory), mask=mask, causal=causal)

    def prepare(self, memory: Tensor) -> PreparedKeys:
        """Project a memory (batch, key time, memory_size), to be read as often as needed."""
        self._check("memory", memory, self.memory_size)
        keys, values = self.keys_values(memory).chunk(2, -1)
        return PreparedKeys(self._apart(keys), self._apart(values))

    def attend(
        self,
        inputs: Tensor,
        prepared: PreparedKeys,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """As calling it, with a memory that is prepared already."""
        query = self._query(inputs)
        mask, causal = _one_mask(mask, causal, query, prepared)
        read = F.scaled_dot_product_attention(
            query,
            prepared.keys.to(query.dtype),
            prepared.values.to(query.dtype),
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        return self._together(read)

    def attend_with_weights(
        self,
        inputs: Tensor,
        prepared: PreparedKeys,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Attended:
        """As `attend`, by the equation, and with the weights before their dropout."""
        query = self._query(inputs)
        mask, causal = _one_mask(mask, causal, query, prepared)
        if causal:
            mask = _causal_mask(query, prepared)
        scores = query @ prepared.keys.to(query.dtype).mT / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        if mask is not None:
            weights = weights * mask  # all 0 where nothing can be read
        dropped = weights
        if self.training and self.dropout:
            dropped = weights * inverted_mask(weights, self.dropout)
        return Attended(self._together(dropped @ prepared.values.to(query.dtype)), weights)

    def extra_repr(self) -> str:
        return f"{self.size}, heads={self.heads}, dropout={self.dropout}"

    def _query(self, inputs: Tensor) -> Tensor:
        self._check("inputs", inputs, self.size)
        return self._apart(self.query(inputs))

    def _apart(self, features: Tensor) -> Tensor:
        """(batch, time, size) to (batch, heads, time, size of a head)."""
        return features.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _together(self, read: Tensor) -> Tensor:
        return self.output(read.transpose(1, 2).flatten(-2))

    def _check(self, name: str, features: Tensor, size: int) -> None:
        if features.dim() != 3 or features.shape[2] != size:
            raise ShapeError(
                f"{name} must be (batch, time, feature) with {size} features, "
                f"got {tuple(features.shape)}"
            )


def check_heads(size: int, heads: int) -> None:
    """Raise SettingsError unless the heads share the features evenly."""
    if heads < 1 or size % heads:
        raise SettingsError(
            f"the {size} features of a step are shared evenly among the heads: heads must divide "
            f"{size}, got {heads}"
        )


def _one_mask(
    mask: Tensor | None, causal: bool, query: Tensor, prepared: PreparedKeys
) -> tuple[Tensor | None, bool]:
    """The mask for (batch, heads, query time, key time), causal within where both are given."""
    if mask is None:
        return None, causal
    if mask.dim() != 3 or mask.dtype != torch.bool or mask.shape[2] != prepared.keys.shape[2]:
        raise ShapeError(
            "mask must be booleans (batch or 1, query time or 1, key time), True = use, with "
            f"{prepared.keys.shape[2]} keys, got {mask.dtype} {tuple(mask.shape)}"
        )
    mask = mask.unsqueeze(1)
    return (mask & _causal_mask(query, prepared) if causal else mask), False


def _causal_mask(query: Tensor, prepared: PreparedKeys) -> Tensor:
    shape = (query.shape[2], prepared.keys.shape[2])
    return torch.ones(shape, dtype=torch.bool, device=query.device).tril()
