"""The two blocks of a Transformer: of an encoder, and of a decoder that also reads a memory.

Each part of a block (attention, feed-forward) adds to what it reads:

    norm = "pre"      H' = H + dropout(part(norm(H)))
    norm = "post"     H' = norm(H + dropout(part(H)))

    feed-forward(H) = W_2 dropout(activation(W_1 H + b_1)) + b_2

Source: Vaswani 2017, section 3.1 and equation 2; Xiong 2020 for norms before.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.layers.dropout import Dropout
from ostinato.layers.key_value_cache import Passage
from ostinato.layers.multi_head import MultiHeadAttention, PreparedKeys
from ostinato.layers.transformer_options import TransformerOptions
from ostinato.state import KeyValueState

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class FeedForwardNetwork(nn.Module):
    """Two linear layers with a non-linearity between them, each step by itself."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.activation = options.activation
        self.dropout = Dropout(options.dropout)
        self.inner = nn.Linear(options.size, options.units)
        self.outer = nn.Linear(options.units, options.size)
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, time, size) to (batch, time, size)."""
        units = _ACTIVATIONS[self.activation](self.inner(inputs))
        return self.outer(self.dropout(units))


class Residual(nn.Module):
    """What a part of a block adds to its inputs, normalised before or after."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.before = options.norm == "pre"
        self.norm = nn.LayerNorm(options.size)
        self.dropout = Dropout(options.dropout)

    def forward(self, inputs: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """inputs (batch, time, size), and `part` as a function of what it reads."""
        if self.before:
            return inputs + self.dropout(part(self.norm(inputs)))
        return self.norm(inputs + self.dropout(part(inputs)))


class EncoderBlock(nn.Module):
    """Self-attention, then the feed-forward network.

    Args:
        options: sizes, norms, dropout.
    """

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.attention = _attention(options)
        self.around_attention = Residual(options)
        self.feed_forward = FeedForwardNetwork(options)
        self.around_feed_forward = Residual(options)

    def forward(
        self, inputs: Tensor, passage: Passage, cache: KeyValueState | None = None
    ) -> tuple[Tensor, KeyValueState | None]:
        """Read steps.

        Args:
            inputs: (batch, time, size).
            passage: what the steps see, and what is kept of them.
            cache: keys and values of the steps before. None: there are none.

        Returns:
            (batch, time, size), and the cache after these steps; None where nothing is kept.
        """
        values, cache = _attend_to_itself(
            self.attention, self.around_attention, inputs, passage, cache
        )
        return self.around_feed_forward(values, self.feed_forward), cache


class DecoderBlock(nn.Module):
    """Self-attention, attention to a memory, then the feed-forward network.

    Args:
        options: sizes, norms, dropout.
        memory_size: features of a step of the memory. None: as `options.size`.
    """

    def __init__(self, options: TransformerOptions, memory_size: int | None = None) -> None:
        super().__init__()
        self.attention = _attention(options)
        self.around_attention = Residual(options)
        self.memory_attention = _attention(options, memory_size)
        self.around_memory = Residual(options)
        self.feed_forward = FeedForwardNetwork(options)
        self.around_feed_forward = Residual(options)

    def forward(
        self,
        inputs: Tensor,
        passage: Passage,
        memory: PreparedKeys,
        memory_mask: Tensor | None = None,
        cache: KeyValueState | None = None,
    ) -> tuple[Tensor, KeyValueState | None]:
        """Read steps.

        Args:
            inputs: (batch, time, size).
            passage: what the steps see, and what is kept of them.
            memory: as `memory_attention.prepare` gave it. Where it has fewer samples, k rows of
                the inputs, next to each other, share one.
            memory_mask: booleans (its batch or 1, time or 1, its time), True = use; with shared
                samples the same for all steps. None: all.
            cache: keys and values of the steps before. None: there are none.

        Returns:
            (batch, time, size), and the cache after these steps; None where nothing is kept.
        """

        def read_memory(read: Tensor) -> Tensor:
            # Rows that share a sample are read as more steps of it, so that no key is repeated.
            folded = read.reshape(len(memory.keys), -1, read.shape[2])
            return self.memory_attention.attend(folded, memory, mask=memory_mask).view_as(read)

        values, cache = _attend_to_itself(
            self.attention, self.around_attention, inputs, passage, cache
        )
        values = self.around_memory(values, read_memory)
        return self.around_feed_forward(values, self.feed_forward), cache

    def memory_weights(
        self,
        inputs: Tensor,
        passage: Passage,
        memory: PreparedKeys,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """How each step of whole sequences weighs the memory: (batch, heads, time, its time)."""
        values, _ = _attend_to_itself(self.attention, self.around_attention, inputs, passage, None)
        read = self.around_memory.norm(values) if self.around_memory.before else values
        return self.memory_attention.attend_with_weights(read, memory, mask=memory_mask).weights


def _attention(options: TransformerOptions, memory_size: int | None = None) -> MultiHeadAttention:
    return MultiHeadAttention(
        options.size, options.heads, memory_size=memory_size, dropout=options.dropout
    )


def _attend_to_itself(
    attention: MultiHeadAttention,
    around: Residual,
    inputs: Tensor,
    passage: Passage,
    cache: KeyValueState | None,
) -> tuple[Tensor, KeyValueState | None]:
    """Self-attention over what the passage lets each step see, and the cache afterwards."""
    kept: list[KeyValueState | None] = []

    def read(values: Tensor) -> Tensor:
        seen, after = passage.meet(cache, attention.prepare(values))
        kept.append(after)
        return attention.attend(values, seen, mask=passage.mask, causal=passage.causal)

    return around(inputs, read), kept[0]
