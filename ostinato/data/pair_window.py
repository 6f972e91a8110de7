"""A batch of whole pairs, source and target, as the training loop reads it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class PairWindow(NamedTuple):
    """Whole pairs: a window that carries no state to the next.

    Attributes:
        inputs: the sources' tokens (batch, source time).
        source_lengths: (batch,).
        target_in: (batch, target time), the start token first.
        targets: (batch, target time), `target_in` one step on, the end token last.
        target_lengths: (batch,), the real steps of `targets`.
        counted: (batch, target time), boolean, True where the target's loss counts.
        copied: (batch, source time), what each source position is among the target's tokens, for
            a model that copies; None: the source's own tokens.
        where: the place in the data, for messages.
        units: how many targets count.
        fresh: a pair never goes on from the one before.
    """

    inputs: Tensor
    source_lengths: Tensor
    target_in: Tensor
    targets: Tensor
    target_lengths: Tensor
    counted: Tensor
    copied: Tensor | None
    where: str
    units: int
    fresh: bool = True


def join_pairs(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    start_index: int,
    end_index: int,
    pad_index: int,
    where: str,
    copied: Sequence[Sequence[int]] | None = None,
) -> PairWindow:
    """Pairs of any lengths as one batch; each target gets a start before and an end behind it.

    Example:
        >>> window = join_pairs(
        ...     [[5, 6], [7]], [[8], [9, 4]], start_index=1, end_index=2, pad_index=0, where="here"
        ... )
        >>> window.inputs.tolist(), window.target_in.tolist(), window.targets.tolist()
        ([[5, 6], [7, 0]], [[1, 8, 0], [1, 9, 4]], [[8, 2, 0], [9, 4, 2]])
        >>> window.units
        5
    """
    target_lengths = torch.tensor([len(target) + 1 for target in targets])
    time = int(target_lengths.max())
    return PairWindow(
        inputs=_padded(sources, pad_index),
        source_lengths=torch.tensor([len(source) for source in sources]),
        target_in=_padded([[start_index, *target] for target in targets], pad_index),
        targets=_padded([[*target, end_index] for target in targets], pad_index),
        target_lengths=target_lengths,
        counted=torch.arange(time) < target_lengths.unsqueeze(1),
        copied=None if copied is None else _padded(copied, pad_index),
        where=where,
        units=int(target_lengths.sum()),
    )


def _padded(rows: Sequence[Sequence[int]], pad_index: int) -> Tensor:
    time = max(map(len, rows))
    padded = [[*row, *[pad_index] * (time - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long)
