"""Pointing at one of the inputs: scores of a query against keys, as many as there are inputs."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers.tanh_sums import additive_scores


class PointerKeys(NamedTuple):
    """What a pointer reads of the inputs, prepared once: none of it changes from step to step.

    `keys` (batch, inputs, hidden) W_1 e_j; `glimpses` the same of each glimpse; `features`
    (batch, inputs, feature) the e_j themselves.
    """

    keys: Tensor
    glimpses: tuple[Tensor, ...]
    features: Tensor


class AdditiveScores(nn.Module):
    """How well each input fits a query.

        u_tj = v^T tanh(W_1 e_j + W_2 d_t)

    Args:
        feature_size: features of an input e_j.
        query_size: features of a query d_t.
        hidden_size: rows of W_1 and W_2, entries of v.

    Source: Vinyals 2015, equation 3.
    """

    def __init__(self, feature_size: int, query_size: int, hidden_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(feature_size, hidden_size, bias=False)
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        bound = 1 / math.sqrt(hidden_size)
        self.weight = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))

    def forward(self, keys: Tensor, queries: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Scores (batch, time, inputs) of `queries` (batch, time, query) against prepared keys.

        Where `allowed`, booleans of that shape, is False the score is not computed, and is 0.
        """
        return additive_scores(keys, self.query(queries), self.weight, allowed)


class Pointer(nn.Module):
    """A distribution over the inputs themselves, whatever their number.

        u_tj = v^T tanh(W_1 e_j + W_2 d_t)              clip: C tanh(u_tj)
        P(j | t) = softmax over the allowed j of u_tj

    A glimpse looks at the inputs before it points: d_t becomes the mean of the e_j, weighted by
    a softmax of scores with matrices of its own.

    Args:
        feature_size: features of an input.
        query_size: features of a query.
        hidden_size: width of the comparison.
        glimpses: how many glimpses, one after the other (Bello 2016, appendix A.1).
        clip: C, the largest score (Bello 2016, equation 16, has 10). None: no limit.

    Raises:
        SettingsError: glimpses and clip that cannot be.

    Example:
        >>> pointer = Pointer(8, 8, 16, glimpses=1, clip=10.0)
        >>> keys = pointer.prepare(torch.randn(2, 5, 8))
        >>> allowed = torch.ones(2, 3, 5, dtype=torch.bool)
        >>> pointer(keys, torch.randn(2, 3, 8), allowed).exp().sum(-1).shape
        torch.Size([2, 3])

    Source: Vinyals 2015, equation 3; Bello 2016 for glimpses and clipping.
    """

    def __init__(
        self,
        feature_size: int,
        query_size: int,
        hidden_size: int,
        *,
        glimpses: int = 0,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        if glimpses < 0:
            raise SettingsError(f"glimpses must be at least 0, got {glimpses}")
        check_clip(clip)
        self.clip = clip
        self.scores = AdditiveScores(
            feature_size, feature_size if glimpses else query_size, hidden_size
        )
        self.glimpses = nn.ModuleList(
            AdditiveScores(feature_size, feature_size if depth else query_size, hidden_size)
            for depth in range(glimpses)
        )

    def prepare(self, features: Tensor) -> PointerKeys:
        """The keys of inputs with `features` (batch, inputs, feature), for any number of steps."""
        glimpses = tuple(glimpse.key(features) for glimpse in self.glimpses)  # pyright: ignore[reportCallIssue]
        return PointerKeys(self.scores.key(features), glimpses, features)

    def forward(self, prepared: PointerKeys, queries: Tensor, allowed: Tensor) -> Tensor:
        """Log-probabilities of every input, at every step.

        Args:
            prepared: from `prepare`.
            queries: (batch, time, query_size).
            allowed: booleans (batch, time, inputs), True = may be pointed at; one at least a step.

        Returns:
            (batch, time, inputs), minus infinity where not allowed; float32 or better.

        Raises:
            ShapeError: `allowed` does not fit.
        """
        _check_allowed(allowed, queries, prepared.keys)
        for glimpse, keys in zip(self.glimpses, prepared.glimpses, strict=True):
            weights = log_probabilities(glimpse(keys, queries, allowed), allowed).exp()
            queries = weights.to(prepared.features.dtype) @ prepared.features
        scores = self.scores(prepared.keys, queries, allowed)
        return log_probabilities(clipped(scores, self.clip), allowed)


def clipped(scores: Tensor, clip: float | None) -> Tensor:
    """C tanh(scores): none beyond C either way, so that no input is ever quite out of reach."""
    return scores if clip is None else clip * torch.tanh(scores)


def log_probabilities(scores: Tensor, allowed: Tensor) -> Tensor:
    """Log-softmax of the scores over what is allowed; minus infinity elsewhere.

    Example:
        >>> allowed = torch.tensor([True, False, True])
        >>> log_probabilities(torch.zeros(3), allowed).exp()
        tensor([0.5000, 0.0000, 0.5000])
    """
    scores = scores if scores.dtype == torch.float64 else scores.float()
    return torch.log_softmax(scores.masked_fill(~allowed, -math.inf), -1)


def with_row_0(first: Tensor, rows: Tensor) -> Tensor:
    """`first` (feature,), of the end or the start, before the rows (batch, inputs, feature)."""
    return torch.cat([first.to(rows.dtype).expand(rows.shape[0], 1, -1), rows], 1)


def pointed_at(table: Tensor, pointers: Tensor) -> Tensor:
    """The rows (rows, time, feature) of a table (samples, inputs + 1, feature) for each pointer.

    `pointers` (rows, time) may be of k rows for each sample, next to each other.
    """
    samples, features = table.shape[0], table.shape[2]
    index = pointers.reshape(samples, -1, 1).expand(-1, -1, features)
    return table.gather(1, index).view(*pointers.shape, features)


def check_clip(clip: float | None) -> None:
    """Raise SettingsError unless scores can be clipped to `clip`."""
    if clip is not None and not 0 < clip < math.inf:
        raise SettingsError(f"clip must be greater than 0 or left out, got {clip}")


def _check_allowed(allowed: Tensor, queries: Tensor, keys: Tensor) -> None:
    wanted = (*queries.shape[:2], keys.shape[1])
    if allowed.dtype != torch.bool or tuple(allowed.shape) != wanted:
        raise ShapeError(
            f"allowed must be booleans (batch, time, inputs) = {wanted}, got {allowed.dtype} "
            f"{tuple(allowed.shape)}"
        )
