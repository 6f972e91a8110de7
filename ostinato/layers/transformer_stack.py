"""Stacks of blocks: the encoder and the decoder of a Transformer, between features and features."""

from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers.key_value_cache import Passage, append, empty_cache, with_room
from ostinato.layers.multi_head import PreparedKeys, mask_of_lengths
from ostinato.layers.transformer_block import DecoderBlock, EncoderBlock
from ostinato.layers.transformer_options import TransformerOptions
from ostinato.state import KeyValueState


class TransformerEncoder(nn.Module):
    """Encoder blocks, one on top of the other.

    Args:
        options: sizes, norms, dropout.
        num_layers: blocks.
        final_norm: normalise the last block's outputs. None: where `options.norm` is "pre", whose
            outputs nothing else normalises.

    Raises:
        SettingsError: a value out of range.

    Example:
        >>> from ostinato.layers import TransformerOptions
        >>> encoder = TransformerEncoder(TransformerOptions(size=16, heads=4), num_layers=2)
        >>> encoder(torch.randn(2, 5, 16), lengths=torch.tensor([5, 3])).shape
        torch.Size([2, 5, 16])
    """

    def __init__(
        self, options: TransformerOptions, num_layers: int, *, final_norm: bool | None = None
    ) -> None:
        super().__init__()
        check_depth(num_layers)
        self.options = options
        self.blocks = nn.ModuleList(EncoderBlock(options) for _ in range(num_layers))
        self.final_norm = make_final_norm(options, final_norm)

    def forward(
        self,
        inputs: Tensor,
        *,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Read whole sequences.

        Args:
            inputs: (batch, time, size).
            lengths: real steps of each sample (batch,); nobody reads the others. None: all.
            mask: booleans (batch or 1, time or 1, time), True = use. None: all.
            causal: step t reads the steps up to t alone.

        Returns:
            (batch, time, size); what stands at padding means nothing.
        """
        check_features(inputs, self.options.size)
        if lengths is not None:
            usable = mask_of_lengths(lengths, inputs.shape[1]).unsqueeze(1)
            mask = usable if mask is None else mask & usable
        values, passage = inputs, Passage(mask, causal)
        for block in self.blocks:
            values, _ = block(values, passage)
        return self.final_norm(values)


class TransformerDecoder(nn.Module):
    """Decoder blocks, one on top of the other: each step reads those before it, and a memory.

    The memory's keys are projected once (`prepare`) and are no state. The state is a tuple of
    `KeyValueState` over the blocks, with room that grows by doubling.

    Args:
        options: sizes, norms, dropout.
        num_layers: blocks.
        memory_size: features of a step of the memory. None: as `options.size`.
        final_norm: as `TransformerEncoder` takes it.

    Raises:
        SettingsError: a value out of range.

    Example:
        >>> from ostinato.layers import TransformerOptions
        >>> decoder = TransformerDecoder(TransformerOptions(size=16, heads=4), num_layers=2)
        >>> memory, inputs = decoder.prepare(torch.randn(2, 5, 16)), torch.randn(2, 3, 16)
        >>> state = decoder.initial_state(2)
        >>> outputs, state = decoder.read_on(inputs, state, memory)
        >>> outputs.shape, state[0].length
        (torch.Size([2, 3, 16]), tensor([3, 3]))
    """

    def __init__(
        self,
        options: TransformerOptions,
        num_layers: int,
        *,
        memory_size: int | None = None,
        final_norm: bool | None = None,
    ) -> None:
        super().__init__()
        check_depth(num_layers)
        self.options = options
        self.blocks = nn.ModuleList(DecoderBlock(options, memory_size) for _ in range(num_layers))
        self.final_norm = make_final_norm(options, final_norm)

    def prepare(self, memory: Tensor) -> tuple[PreparedKeys, ...]:
        """A memory (batch, time, memory_size) as each block reads it."""
        return tuple(block.memory_attention.prepare(memory) for block in self.blocks)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]

    def initial_state(self, batch_size: int, capacity: int = 16) -> tuple[KeyValueState, ...]:
        """Empty caches with places for `capacity` steps; they grow where more come."""
        like = self.blocks[0].attention.query.weight  # pyright: ignore[reportAttributeAccessIssue]
        heads, size = self.options.heads, self.options.head_size
        return tuple(empty_cache(batch_size, heads, capacity, size, like) for _ in self.blocks)  # pyright: ignore[reportArgumentType]

    def forward(
        self,
        inputs: Tensor,
        memory: tuple[PreparedKeys, ...],
        *,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Read whole sequences, each step those before it and itself.

        Args:
            inputs: (batch, time, size).
            memory: as `prepare` gave it.
            memory_mask: booleans (batch or 1, time or 1, memory's time), True = use. None: all.

        Returns:
            (batch, time, size).
        """
        check_features(inputs, self.options.size)
        values, passage = inputs, Passage(causal=True)
        for block, keys in zip(self.blocks, memory, strict=True):
            values, _ = block(values, passage, keys, memory_mask)
        return self.final_norm(values)

    def last_weights(
        self,
        inputs: Tensor,
        memory: tuple[PreparedKeys, ...],
        *,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """How the last block weighs the memory: (batch, time, memory's time), the heads' mean.

        Args:
            inputs, memory, memory_mask: as calling it.
        """
        check_features(inputs, self.options.size)
        values, passage = inputs, Passage(causal=True)
        for block, keys in zip(self.blocks[:-1], memory[:-1], strict=True):
            values, _ = block(values, passage, keys, memory_mask)
        last: DecoderBlock = self.blocks[-1]  # pyright: ignore[reportAssignmentType]
        return last.memory_weights(values, passage, memory[-1], memory_mask).mean(1)

    def read_on(
        self,
        inputs: Tensor,
        state: tuple[KeyValueState, ...],
        memory: tuple[PreparedKeys, ...],
        *,
        memory_mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[KeyValueState, ...]]:
        """Read the next steps, one or several; the outputs are those of the whole at once.

        Args:
            inputs: (batch, time, size).
            state: caches of the steps before; samples may have come differently far.
            memory: as `prepare` gave it; or of fewer samples, which k rows next to each other
                share.
            memory_mask: booleans (batch or 1, time or 1, memory's time), True = use. None: all.

        Returns:
            (batch, time, size), and the caches after these steps; those given stay as they are.
        """
        check_features(inputs, self.options.size)
        roomy = with_room(state, inputs.shape[1])
        passage = append(roomy[0].length, inputs.shape[1])
        values, after = inputs, []
        for block, keys, cache in zip(self.blocks, memory, roomy, strict=True):
            values, cache = block(values, passage, keys, memory_mask, cache)
            after.append(cache)
        return self.final_norm(values), tuple(after)


def check_depth(num_layers: int) -> None:
    """Raise SettingsError unless there is at least one block."""
    if num_layers < 1:
        raise SettingsError(f"num_layers must be at least 1, got {num_layers}")


def make_final_norm(options: TransformerOptions, wanted: bool | None) -> nn.Module:
    """The norm after the last block, or nothing in its place."""
    wanted = options.norm == "pre" if wanted is None else wanted
    return nn.LayerNorm(options.size) if wanted else nn.Identity()


def check_features(inputs: Tensor, size: int) -> None:
    """Raise ShapeError unless `inputs` are (batch, time, size)."""
    if inputs.dim() != 3 or inputs.shape[2] != size:
        raise ShapeError(
            f"inputs must be (batch, time, feature) with {size} features, got {tuple(inputs.shape)}"
        )
