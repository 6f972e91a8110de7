"""Attention: where to look in a source, and what is seen there."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import ShapeError
from ostinato.layers.attention.combinations import check_combination
from ostinato.layers.attention.hard import choose_position
from ostinato.layers.attention.prepared import (
    Attended,
    HardChoice,
    Prepared,
    masked_softmax,
    usable_positions,
)
from ostinato.layers.attention.scaled_dot import ScaledDotScore
from ostinato.layers.attention.score import ScoreFunction
from ostinato.layers.attention.windows import MonotonicWindow, Window


class Attention(nn.Module):
    """A weighted sum of a source's values, the weights from a score of a query with its keys.

        weights_t = softmax_s score(q_t, key_s)          context_t = sum_s weights_{t,s} value_s

    A source of which nothing may be used has weights and a context of zeros.

    Args:
        score: one of the six score functions, or a `ScoreFunction` of your own.
        window: attend to a part of the source, around a position (Luong 2015). None: to all.
        hard: one position is chosen (Xu 2015): drawn by the weights in training, the likeliest
            in evaluation. Its gradient needs `Reinforce`.

    Raises:
        SettingsError: parts that do not go together; the message holds the table of those that do.

    Example:
        >>> attention = Attention(ostinato.layers.AdditiveScore(query_size=4, key_size=6))
        >>> keys, lengths = torch.randn(2, 5, 6), torch.tensor([5, 3])
        >>> prepared = attention.prepare(keys, keys, lengths)       # once a sentence
        >>> context, weights = attention.attend(torch.randn(2, 4), prepared)       # one step
        >>> context.shape, weights.shape
        (torch.Size([2, 6]), torch.Size([2, 5]))
        >>> context, weights = attention.attend(torch.randn(2, 7, 4), prepared)    # seven at once
        >>> weights.shape, weights[1, :, 3:].sum().item()
        (torch.Size([2, 7, 5]), 0.0)
    """

    def __init__(
        self, score: ScoreFunction, *, window: Window | None = None, hard: bool = False
    ) -> None:
        super().__init__()
        check_combination(score, window, hard=hard)
        self.score = score
        self.window = window
        self.hard = hard

    def prepare(
        self,
        keys: Tensor,
        values: Tensor,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Prepared:
        """Make a source ready, once: its keys are projected here and nowhere else.

        Args:
            keys: (batch, source time, key_size).
            values: (batch, source time, any size).
            lengths: integers (batch,), the real positions; None: all.
            mask: booleans (batch, source time), True = use; None: all real positions.

        Raises:
            ShapeError: keys, values, lengths or mask do not fit.
        """
        _check_source(keys, values, self.score.key_size)
        whole = lengths is None and mask is None
        mask = self.score.usable(usable_positions(keys, lengths, mask))
        if not whole or type(self.score).usable is not ScoreFunction.usable:
            # What stands in the padding must not matter, not even a NaN.
            inside = mask.unsqueeze(2)
            keys, values = torch.where(inside, keys, 0.0), torch.where(inside, values, 0.0)
        if lengths is None:
            lengths = torch.full(keys.shape[:1], keys.shape[1], device=keys.device)
        return Prepared(self.score.project_keys(keys), values, mask, lengths.to(keys.device))

    def attend(
        self, query: Tensor, prepared: Prepared, *, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look once, or with many queries at once.

        Args:
            query: (batch, query_size), one step; or (batch, steps, query_size).
            prepared: the source, from `prepare`.
            positions: (batch,) or (batch, steps), the numbers of the steps from 0; only a
                monotonic window reads them. None: 0, 1, .. of (batch, steps, query_size).

        Returns:
            The context, (batch, value size) or (batch, steps, value size), and the weights,
            (batch, source time) or (batch, steps, source time).

        Raises:
            ShapeError: the query does not fit; or a monotonic window is not told which step.
        """
        attended = self.look(query, prepared, positions=positions)
        return attended.context, attended.weights

    def look(
        self,
        query: Tensor,
        prepared: Prepared,
        *,
        positions: Tensor | None = None,
        coverage: Tensor | None = None,
        need_weights: bool = True,
    ) -> Attended:
        """As `attend`, and with more to ask.

        One step may have k rows a sample, (batch * k, query_size), as a beam has: rows of one
        sample stand together, and they share its keys.

        Args:
            query, prepared, positions: as in `attend`.
            coverage: (..., source time), what was attended to before; for a score that reads it.
            need_weights: False: the weights are None; a scaled dot-product over the whole source
                is then computed by torch's fused kernel.
        """
        self._check_query(query, prepared)
        batch_size = prepared.mask.shape[0]
        rows = query.shape[:-1]
        many = query if query.dim() == 3 else query.view(batch_size, -1, query.shape[-1])
        if not need_weights and self._has_fused_kernel():
            context = _fused(many, prepared)
            return Attended(context.view(*rows, -1), None, None)
        if coverage is not None:
            coverage = coverage.reshape(*many.shape[:2], -1)
        weights = self._weights(many, prepared, self._positions(query, many, positions), coverage)
        choice = None
        if self.hard:
            weights, choice = choose_position(weights, sampled=self.training)
            choice = HardChoice(*(part.view(rows) for part in choice))
        context = torch.bmm(weights.to(prepared.values.dtype), prepared.values)
        shown = weights.view(*rows, -1) if need_weights else None
        return Attended(context.view(*rows, -1), shown, choice)

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Prepare a source and look at it once; see `prepare` and `attend`."""
        return self.attend(query, self.prepare(keys, values, lengths, mask))

    def _weights(
        self, query: Tensor, prepared: Prepared, positions: Tensor, coverage: Tensor | None
    ) -> Tensor:
        """(batch, steps, source time)."""
        scores = self.score(query, prepared.keys, coverage)
        mask = prepared.mask.unsqueeze(1)
        if self.window is None:
            return masked_softmax(scores, mask)
        inside, factor = self.window(query, positions, prepared)
        weights = masked_softmax(scores, mask & inside)
        return weights if factor is None else weights * factor

    def _positions(self, query: Tensor, many: Tensor, positions: Tensor | None) -> Tensor:
        if positions is not None:
            return positions.reshape(many.shape[:2])
        if isinstance(self.window, MonotonicWindow) and query.dim() == 2:
            raise ShapeError(
                "a monotonic window must be told which step a single query belongs to: give "
                "positions (batch,), counted from 0"
            )
        return torch.arange(many.shape[1], device=query.device).expand(many.shape[:2])

    def _has_fused_kernel(self) -> bool:
        return type(self.score) is ScaledDotScore and self.window is None and not self.hard

    def _check_query(self, query: Tensor, prepared: Prepared) -> None:
        batch_size, size = prepared.mask.shape[0], self.score.query_size
        fits = query.dim() == 3 and query.shape[0] == batch_size
        if query.dim() == 2 and batch_size > 0:
            fits = query.shape[0] % batch_size == 0
        if not fits or query.shape[-1] != size:
            raise ShapeError(
                f"query must be ({batch_size}, {size}), one step, or ({batch_size}, steps, {size}) "
                f"for this source, got {tuple(query.shape)}"
            )


def _fused(query: Tensor, prepared: Prepared) -> Tensor:
    """The context by torch's kernel, which may give NaN where nothing is to be used."""
    used = prepared.mask.any(1)
    mask = prepared.mask | ~used.unsqueeze(1)
    context = F.scaled_dot_product_attention(
        query.unsqueeze(1),
        prepared.keys.unsqueeze(1),
        prepared.values.unsqueeze(1),
        attn_mask=mask[:, None, None, :].expand(-1, 1, query.shape[1], -1),
    )
    return context.squeeze(1) * used[:, None, None]


def _check_source(keys: Tensor, values: Tensor, key_size: int) -> None:
    if keys.dim() != 3 or keys.shape[2] != key_size:
        raise ShapeError(
            f"keys must be (batch, source time, feature) with {key_size} features, "
            f"got {tuple(keys.shape)}"
        )
    if values.dim() != 3 or values.shape[:2] != keys.shape[:2]:
        raise ShapeError(
            f"values must be (batch, source time, feature), one for each key of "
            f"{tuple(keys.shape)}, got {tuple(values.shape)}"
        )
