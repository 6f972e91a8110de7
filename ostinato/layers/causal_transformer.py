"""A Transformer that reads one way, with the contract of a recurrent layer.

    H_t^0 = sqrt(size) X_t + P(place of t)
    H_t^l = block_l(H_t^{l-1}; keys and values of the steps that t sees)

A step stands at its place in the *context*, and sees the steps of the context before it. The
context begins with the sequence. When its `context` places are taken, the last half of its steps is
read again as the first half of a new one, from place 0 on; so each step but those at the beginning
sees between context / 2 and context - 1 others, and what comes out depends on the sequence alone,
not on how it was cut into windows.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers.dropout import Dropout
from ostinato.layers.key_value_cache import (
    Appended,
    Rearranged,
    Started,
    append,
    empty_cache,
    rearrange,
    start_anew,
)
from ostinato.layers.multi_head import mask_of_lengths
from ostinato.layers.positions import PositionKind, make_positions
from ostinato.layers.transformer_block import EncoderBlock
from ostinato.layers.transformer_options import (
    BlockActivation,
    NormPlace,
    TransformerOptions,
)
from ostinato.layers.transformer_stack import check_depth, check_features, make_final_norm
from ostinato.state import map_state, select


class ContextState(NamedTuple):
    """What a causal Transformer carries: the steps of its context, and their keys and values.

    `inputs` (batch, context, size) are the steps as they came, to be read again when the context is
    full; `layers` is a tuple of `KeyValueState` over the blocks, all of the same length.
    """

    inputs: Any
    layers: Any

    @property
    def length(self) -> Tensor:
        """Steps in the context (batch,)."""
        return self.layers[0].length


class CausalTransformer(nn.Module):
    """Transformer blocks over a sequence, each step seeing itself and those before it.

    Takes the place of a recurrent layer: it has the same contract, and its state is the cache of
    keys and values. Every function returns a new state and leaves the given one as it was.

    Args:
        input_size: features of a step, going in and coming out, the same through all blocks.
        num_layers: blocks.
        context: steps that there are places for; see above for what happens beyond.
        heads, feed_forward_size, norm, activation, dropout: see `TransformerOptions`.
        positions: "sinusoidal" or "learned".

    Raises:
        SettingsError: a value out of range, or heads that do not divide the size.

    Example:
        >>> layer = ostinato.CausalTransformer(16, num_layers=2, context=32, heads=4)
        >>> outputs, state = layer(torch.randn(3, 10, 16))
        >>> outputs, state = layer(torch.randn(3, 50, 16), state)  # the next steps
        >>> output, state = layer.step(torch.randn(3, 16), state)
        >>> state.length
        tensor([29, 29, 29])

    Source: Vaswani 2017; without an encoder as Liu 2018.
    """

    bidirectional = False

    def __init__(
        self,
        input_size: int,
        num_layers: int = 4,
        *,
        context: int = 128,
        heads: int = 8,
        feed_forward_size: int | None = None,
        positions: PositionKind = "sinusoidal",
        norm: NormPlace = "pre",
        activation: BlockActivation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        options = TransformerOptions(
            input_size, heads, feed_forward_size, norm, activation, dropout
        )
        check_depth(num_layers)
        if context < 2:
            raise SettingsError(
                f"context must be at least 2 steps, so that half of it can be kept, got {context}"
            )
        self.input_size = self.output_size = input_size
        self.context, self.options = context, options
        self.positions = make_positions(positions, input_size, context)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(EncoderBlock(options) for _ in range(num_layers))
        self.final_norm = make_final_norm(options, None)

    def initial_state(self, batch_size: int) -> ContextState:
        """Nothing read yet."""
        like = self._some_weight()
        heads, size = self.options.heads, self.options.head_size
        caches = [empty_cache(batch_size, heads, self.context, size, like) for _ in self.blocks]
        inputs = like.new_zeros(batch_size, self.context, self.input_size)
        return ContextState(inputs, tuple(caches))

    def forward(
        self,
        inputs: Tensor,
        state: ContextState | None = None,
        *,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, ContextState]:
        """Read steps; the whole at once, step by step and window by window give the same.

        Args:
            inputs: (batch, time, input_size).
            state: as this layer returned it, samples may have come differently far. None: the
                initial.
            lengths: real steps of each sample (batch,), the others are padding. None: all.
            resets: booleans (batch, time), True = start afresh before this step. None: never.

        Returns:
            (batch, time, input_size), 0 at padding, and the state after each sample's own last
            step.

        Raises:
            ShapeError: a shape does not fit.
        """
        check_features(inputs, self.input_size)
        self._check_per_step(inputs, lengths, resets)
        time = inputs.shape[1]
        if state is None and 0 < time <= self.context and lengths is None and resets is None:
            places = torch.arange(time, device=inputs.device)
            return self._read(inputs, Started(None, True, self.context), places, None)
        state = self.initial_state(inputs.shape[0]) if state is None else state
        return self._read_on(inputs, state, lengths, resets)

    def step(self, step_input: Tensor, state: ContextState | None = None) -> tuple[Tensor, Any]:
        """One step, for streaming: (batch, input_size) and a state to the same and the next."""
        if step_input.dim() != 2:
            raise ShapeError(
                f"step_input must be (batch, feature) with {self.input_size} features, "
                f"got {tuple(step_input.shape)}"
            )
        outputs, state = self(step_input.unsqueeze(1), state)
        return outputs.squeeze(1), state

    def stepper(self, batch_size: int) -> "ContextStepper":
        """This layer prepared for streaming: the cache is written in place, nothing is copied."""
        return ContextStepper(self, self.initial_state(batch_size))

    def read_in_place(self, inputs: Tensor, state: ContextState) -> tuple[Tensor, ContextState]:
        """As calling it, but the state's tensors are written over: they must be nobody else's."""
        return self._read_on(inputs, state, None, None, in_place=True)

    def extra_repr(self) -> str:
        return f"context={self.context}"

    def _read_on(
        self,
        inputs: Tensor,
        state: ContextState,
        lengths: Tensor | None,
        resets: Tensor | None,
        *,
        in_place: bool = False,
    ) -> tuple[Tensor, ContextState]:
        """Read piece by piece, each as long as no sample's context is full."""
        pieces, start, time = [], 0, inputs.shape[1]
        while start < time:
            left = None if lengths is None else (lengths - start).clamp(min=0)
            fresh = None if resets is None else resets[:, start:]
            stop = start + self._room(state.length, time - start, left, fresh)
            if stop == start:
                state = self._read_again(state)
                continue
            if lengths is None and resets is None:
                passage = append(state.length, stop - start, in_place=in_place)
                places = passage.places
            else:
                cut = None if fresh is None else fresh[:, : stop - start]
                real = None if left is None else left.clamp(max=stop - start)
                passage, places = rearrange(
                    state.length, stop - start, self.context, lengths=real, resets=cut
                )
            outputs, state = self._read(inputs[:, start:stop], passage, places, state)
            pieces.append(outputs)
            start = stop
        outputs = pieces[0] if len(pieces) == 1 else torch.cat([inputs[:, :0], *pieces], 1)
        if lengths is not None:
            outputs = outputs * mask_of_lengths(lengths, time).unsqueeze(2)
        return outputs, state

    def _read(
        self,
        inputs: Tensor,
        passage: Appended | Rearranged | Started,
        places: Tensor,
        state: ContextState | None,
    ) -> tuple[Tensor, ContextState]:
        """One piece through all blocks."""
        places = places.clamp(max=self.context - 1)  # padding may stand beyond
        values = math.sqrt(self.input_size) * inputs + self.positions(places).to(inputs.dtype)
        values, caches = self.dropout(values), []
        before = [None] * len(self.blocks) if state is None else state.layers
        for block, cache in zip(self.blocks, before, strict=True):
            values, cache = block(values, passage, cache)
            caches.append(cache)
        kept = passage.keep(None if state is None else state.inputs, inputs)  # pyright: ignore[reportArgumentType]
        return self.final_norm(values), ContextState(kept, tuple(caches))

    def _room(
        self, length: Tensor, time: int, lengths: Tensor | None, resets: Tensor | None
    ) -> int:
        """How many of the next `time` steps there are places for, in every sample."""
        if resets is None and lengths is None:
            return min(time, self.context - int(length.max()))
        places, _ = start_anew(time, resets, length)
        beyond = places >= self.context
        if lengths is not None:
            beyond = beyond & mask_of_lengths(lengths, time)
        full = beyond.any(0).nonzero()
        return int(full[0]) if full.numel() else time

    def _read_again(self, state: ContextState) -> ContextState:
        """Full contexts begin anew with their last half."""
        rows = (state.length >= self.context).nonzero().squeeze(1)
        half = self.context // 2
        last = select(state.inputs, rows)[:, self.context - half :]
        places = torch.arange(half, device=rows.device)
        _, again = self._read(last, Started(None, True, self.context), places, None)
        if len(rows) == len(state.length):
            return again
        return map_state(
            lambda all_rows, new: all_rows.index_copy(0, rows, new.to(all_rows.dtype)), state, again
        )

    def _some_weight(self) -> Tensor:
        """Any weight: its type and device are the layer's."""
        return self.blocks[0].attention.query.weight  # pyright: ignore[reportAttributeAccessIssue, reportReturnType]

    def _check_per_step(
        self, inputs: Tensor, lengths: Tensor | None, resets: Tensor | None
    ) -> None:
        batch, time = inputs.shape[:2]
        if lengths is not None and lengths.shape != (batch,):
            raise ShapeError(f"lengths must be (batch,) = ({batch},), got {tuple(lengths.shape)}")
        if resets is not None and (resets.shape != (batch, time) or resets.dtype != torch.bool):
            raise ShapeError(
                f"resets must be booleans (batch, time) = {(batch, time)}, got {resets.dtype} "
                f"{tuple(resets.shape)}"
            )


class ContextStepper:
    """Steps of a causal Transformer in evaluation mode, whose cache is written in place.

    Args:
        layer: whose steps.
        state: to start from.
    """

    def __init__(self, layer: CausalTransformer, state: ContextState) -> None:
        self._layer = layer
        self._state = state

    @property
    def state(self) -> ContextState:
        """The state after the last step, a copy."""
        return map_state(torch.clone, self._state)

    @state.setter
    def state(self, state: ContextState) -> None:
        self._state = map_state(lambda part: part.detach().clone(), state)

    @torch.no_grad()
    def __call__(self, step_input: Tensor) -> Tensor:
        """The next step (batch, input_size), and its output of the same shape."""
        training = self._layer.training
        if training:
            self._layer.eval()
        outputs, self._state = self._layer.read_in_place(step_input.unsqueeze(1), self._state)
        if training:
            self._layer.train()
        return outputs.squeeze(1)
