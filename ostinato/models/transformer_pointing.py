"""A Transformer that points: its encoder reads the points, its decoder the answer so far."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.layers import (
    TransformerDecoder,
    TransformerEncoder,
    TransformerOptions,
    make_positions,
    mask_of_lengths,
)
from ostinato.layers.pointer import check_clip, clipped, log_probabilities, pointed_at, with_row_0
from ostinato.state import KeyValueState, batch_size_of


class ReadByTransformer(NamedTuple):
    """Points as they were read.

    `table` (batch, points + 1, size) is what the decoder reads for each pointer, row 0 a learned
    start; `keys` (batch, points + 1, size) what its queries are compared with, row 0 a learned end;
    `memory` the keys and values of the points for each block of the decoder; `real` booleans
    (batch, 1, points), False at padding.
    """

    table: Tensor
    keys: Tensor
    memory: Any
    real: Tensor


class TransformerPointing(nn.Module):
    """The pointer network of Vinyals 2015 with a Transformer in place of its recurrent networks.

        e_1 .. e_n = encoder(W p_j + b + P(j))
        d_t = decoder(e of the point chosen last + P(t), and of all before; e_1 .. e_n)
        u_tj = C tanh(W_q d_t . W_k e_j / sqrt(size)),   softmax over what is allowed

    The numbers of the points are read with them (P), as answers are written by number. The decoder
    sees its whole answer so far at every step; the state is its cache of keys and values.

    Args:
        coordinates: features of a point.
        size: features of an encoded point, and of all blocks.
        blocks: blocks of the encoder, and of the decoder.
        heads: heads of every attention.
        dropout: share dropped in the blocks.
        clip: C. None: scores are not clipped.

    Raises:
        SettingsError: heads that do not divide the size, or a rate or clip that cannot be.

    Source: Vinyals 2015, section 2.3; Vaswani 2017 for the blocks and the places P; Bello 2016,
    equation 16, for C.
    """

    def __init__(
        self,
        coordinates: int,
        size: int,
        *,
        blocks: int = 3,
        heads: int = 8,
        dropout: float = 0.0,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        check_clip(clip)
        self.clip = clip
        self.embedding = nn.Linear(coordinates, size)
        self.positions = make_positions("sinusoidal", size, None)
        options = TransformerOptions(size, heads, dropout=dropout)
        self.encoder = TransformerEncoder(options, blocks)
        self.decoder = TransformerDecoder(options, blocks)
        self.start = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))
        self.keys = nn.Linear(size, size, bias=False)
        self.queries = nn.Linear(size, size, bias=False)

    def read(self, points: Tensor, lengths: Tensor) -> ReadByTransformer:
        """Read points (batch, points, coordinates), the real ones `lengths` (batch,)."""
        count = points.shape[1]
        places = self.positions(torch.arange(count, device=points.device))
        embedded = self.embedding(points)
        features = self.encoder(embedded + places.to(embedded.dtype), lengths=lengths)
        return ReadByTransformer(
            with_row_0(self.start, features),
            self.keys(with_row_0(self.end, features)),
            self.decoder.prepare(features),
            mask_of_lengths(lengths, count).unsqueeze(1),
        )

    def initial_state(self, read: ReadByTransformer) -> tuple[KeyValueState, ...]:
        """Nothing was pointed at: empty caches, which grow."""
        return self.decoder.initial_state(batch_size_of(read))

    def forward(
        self,
        read: ReadByTransformer,
        pointers: Tensor,
        allowed: Tensor,
        state: tuple[KeyValueState, ...],
    ) -> tuple[Tensor, tuple[KeyValueState, ...]]:
        """As `RecurrentPointing.forward`."""
        # Rows that share a sample are read as more steps of it, so that no key is repeated.
        samples, _, size = read.table.shape
        chosen = pointed_at(read.table, pointers)
        steps = torch.arange(pointers.shape[1], device=pointers.device)
        places = self.positions(state[0].length.unsqueeze(1) + steps)
        features, state = self.decoder.read_on(
            chosen + places.to(chosen.dtype), state, read.memory, memory_mask=read.real
        )
        queries = self.queries(features).reshape(samples, -1, size)
        scores = queries @ read.keys.transpose(1, 2) / math.sqrt(size)
        may = allowed.reshape(scores.shape)
        return log_probabilities(clipped(scores, self.clip), may).view(allowed.shape), state
