"""The attention model of Kool 2019: self-attention reads the points, a single query points."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.layers import TransformerEncoder, TransformerOptions
from ostinato.layers.pointer import check_clip, clipped, log_probabilities, with_row_0


class ReadByAttention(NamedTuple):
    """Points as they were read.

    `firsts` and `lasts` (batch, points + 1, size) are what the query is the sum of, a row for each
    point that came first, or last, row 0 of a learned start; the mean's part is in `lasts`.
    `glimpse_keys`, `glimpse_values` (batch, heads, points + 1, width) and `keys` (batch,
    points + 1, size) are of the end and the points.
    """

    firsts: Tensor
    lasts: Tensor
    glimpse_keys: Tensor
    glimpse_values: Tensor
    keys: Tensor


class FirstPointer(NamedTuple):
    """The state of the decoder: the `first` pointer (batch,) of the answer, 0 before it."""

    first: Tensor


class AttentionPointing(nn.Module):
    """An attention encoder, and a decoder that knows the first point, the last and the mask.

        h = encoder(W p + b): a Transformer's, without positions, so that points have no order
        q_t = W_m mean(h) + W_f h_first + W_l h_last
        g_t = glimpse: multi-head attention of q_t over what is allowed
        u_tj = C tanh(g_t . W_k h_j / sqrt(size)),   softmax over what is allowed

    What the answer was in between is known through the mask alone: enough for tours, which it was
    made for, and for sorting.

    Args:
        coordinates: features of a point.
        size: features of an encoded point.
        blocks: blocks of the encoder.
        heads: heads of its attention and of the glimpse.
        dropout: share dropped in the encoder.
        clip: C. None: scores are not clipped.

    Raises:
        SettingsError: heads that do not divide the size, or a rate or clip that cannot be.

    Source: Kool 2019, sections 3.1 and 3.2. Theirs normalises over the batch and after each sum;
    ours each point by itself and before, so that its features do not depend on other instances.
    """

    def __init__(
        self,
        coordinates: int,
        size: int,
        *,
        blocks: int = 3,
        heads: int = 8,
        dropout: float = 0.0,
        clip: float | None = 10.0,
    ) -> None:
        super().__init__()
        check_clip(clip)
        self.heads = heads
        self.clip = clip
        self.embedding = nn.Linear(coordinates, size)
        options = TransformerOptions(size, heads, dropout=dropout)
        self.encoder = TransformerEncoder(options, blocks)
        self.start = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))
        self.from_mean = nn.Linear(size, size, bias=False)
        self.from_first = nn.Linear(size, size, bias=False)
        self.from_last = nn.Linear(size, size, bias=False)
        self.keys = nn.Linear(size, 3 * size, bias=False)
        self.glimpse = nn.Linear(size, size, bias=False)

    def read(self, points: Tensor, lengths: Tensor) -> ReadByAttention:
        """Read points (batch, points, coordinates), the real ones `lengths` (batch,)."""
        real = torch.arange(points.shape[1], device=points.device) < lengths.unsqueeze(1)
        features = self.encoder(self.embedding(points), lengths=lengths)
        mean = (features * real.unsqueeze(2)).sum(1) / lengths.unsqueeze(1)
        glimpse_keys, values, keys = self.keys(with_row_0(self.end, features)).chunk(3, -1)
        table = with_row_0(self.start, features)
        return ReadByAttention(
            self.from_first(table),
            self.from_last(table) + self.from_mean(mean).unsqueeze(1),
            split_heads(glimpse_keys, self.heads),
            split_heads(values, self.heads),
            keys,
        )

    def initial_state(self, read: ReadByAttention) -> FirstPointer:
        """Nothing was pointed at."""
        batch = read.keys.shape[0]
        return FirstPointer(torch.zeros(batch, dtype=torch.long, device=read.keys.device))

    def forward(
        self, read: ReadByAttention, pointers: Tensor, allowed: Tensor, state: FirstPointer
    ) -> tuple[Tensor, FirstPointer]:
        """As `RecurrentPointing.forward`."""
        first = _first_so_far(pointers, state.first)
        # Rows that share a sample are read as more steps of it, so that no key is repeated.
        samples = read.keys.shape[0]
        may = allowed.reshape(samples, -1, allowed.shape[2])
        queries = _rows(read.firsts, first.reshape(samples, -1))
        queries = queries + _rows(read.lasts, pointers.reshape(samples, -1))
        seen = F.scaled_dot_product_attention(
            split_heads(queries, self.heads),
            read.glimpse_keys,
            read.glimpse_values,
            attn_mask=may.unsqueeze(1),
        )
        glimpsed = self.glimpse(seen.transpose(1, 2).flatten(2))
        scores = glimpsed @ read.keys.transpose(1, 2) / math.sqrt(read.keys.shape[2])
        likely = log_probabilities(clipped(scores, self.clip), may)
        return likely.view(allowed.shape), FirstPointer(first[:, -1])


def split_heads(features: Tensor, heads: int) -> Tensor:
    """(batch, time, heads * width) as (batch, heads, time, width)."""
    return features.unflatten(2, (heads, -1)).transpose(1, 2)


def _rows(table: Tensor, pointers: Tensor) -> Tensor:
    """(batch, time, size): the rows of a table (batch, rows, size) that are pointed at."""
    begins = torch.arange(len(table), device=table.device).unsqueeze(1) * table.shape[1]
    return F.embedding(pointers + begins, table.flatten(0, 1))


def _first_so_far(pointers: Tensor, first: Tensor) -> Tensor:
    """At every step the first pointer of the answer, 0 before it: (batch, time)."""
    place = (pointers > 0).int().argmax(1, keepdim=True)
    steps = torch.arange(pointers.shape[1], device=pointers.device)
    here = torch.where(steps >= place, pointers.gather(1, place), 0)
    return torch.where(first.unsqueeze(1) > 0, first.unsqueeze(1), here)
