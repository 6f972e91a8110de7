"""Instances as a batch: padded, in the unit square, with the pointers of their answers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ostinato.data.planning.problems import (
    Answer,
    Points,
    Problem,
    to_pointers,
    to_unit_square,
)


class PlanningBatch(NamedTuple):
    """What the training loop reads for one update; instances may have different sizes.

    Attributes:
        inputs: (batch, points, coordinates), each instance moved and scaled to the unit square,
            zero past its own points.
        lengths: integers (batch,), the points of each instance.
        scales: (batch,), the extent of each instance as it was given: lengths in the unit square
            times these are lengths.
        targets: integers (batch, time), pointers counted from 1, padded with 0; time is 0 where
            there are no labels.
        counted: booleans (batch, time), True where a target is no padding.
        fresh: True: nothing is carried from batch to batch.
        epoch, index: which batch of the training this is.
        where: the same in words, for messages.
        units: what the loss is a mean over: targets, or tours where there are none.
    """

    inputs: Tensor
    lengths: Tensor
    scales: Tensor
    targets: Tensor
    counted: Tensor
    fresh: bool
    epoch: int
    index: int
    where: str
    units: int


def make_batch(
    problem: Problem,
    points: Sequence[Points],
    answers: Sequence[Answer] | None = None,
    *,
    epoch: int = 0,
    index: int = 0,
    where: str = "the instances given",
) -> PlanningBatch:
    """One batch of instances.

    Args:
        problem: that they are of.
        points: (points, coordinates) of each.
        answers: in their normal form; None: there are none.
        epoch, index, where: see `PlanningBatch`.
    """
    lengths = np.array([len(one) for one in points])
    inputs = np.zeros((len(points), lengths.max(), problem.coordinates), dtype=np.float32)
    scales = np.empty(len(points), dtype=np.float32)
    for row, one in enumerate(points):
        inputs[row, : len(one)], scales[row] = to_unit_square(one)
    pointers = [to_pointers(problem, answer) for answer in answers or ()]
    steps = max(map(len, pointers), default=0)
    targets = np.zeros((len(points), steps), dtype=np.int64)
    counted = np.zeros((len(points), steps), dtype=bool)
    for row, one in enumerate(pointers):
        targets[row, : len(one)], counted[row, : len(one)] = one, True
    return PlanningBatch(
        torch.from_numpy(inputs),
        torch.from_numpy(lengths),
        torch.from_numpy(scales),
        torch.from_numpy(targets),
        torch.from_numpy(counted),
        True,
        epoch,
        index,
        where,
        int(counted.sum()) if pointers else len(points),
    )
