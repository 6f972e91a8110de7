"""Triangles between points: which hold no other point, and which edges cross a given one."""

import torch
from torch import Tensor

TOLERANCE = 1e-7
"""Of twice a signed area in the unit square: below it, three points lie on a line."""


def empty_triangles(points: Tensor, lengths: Tensor) -> Tensor:
    """Which triangles i < j < k hold no other point, within or on their sides, and are no line.

    Args:
        points: (batch, points, 2), padded.
        lengths: integers (batch,), the real points of each sample.

    Returns:
        Booleans (batch, points, points, points).

    Example:
        >>> square = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [1.0, 1.0]]])
        >>> empty_triangles(square, torch.tensor([4]))[0].nonzero().tolist()
        [[0, 1, 3], [0, 2, 3], [1, 2, 3]]
    """
    sides = _side_of_each_edge(points, points)
    numbers = torch.arange(points.shape[1], device=points.device)
    real = numbers < lengths.unsqueeze(1)
    rising = torch.ones(3 * points.shape[1:2], dtype=torch.bool, device=points.device)
    rising &= (numbers[:, None] < numbers).unsqueeze(2) & (numbers[:, None] < numbers)
    empty = rising & real[:, None, None] & (sides.abs() > TOLERANCE)
    turn = sides.sign()
    for number in range(points.shape[1]):
        side = sides[..., number]
        within = turn * side.unsqueeze(3) > -TOLERANCE  # on the inner side of i j, of j k, of k i
        within &= turn * side.unsqueeze(1) > -TOLERANCE
        within &= turn * side.mT.unsqueeze(2) > -TOLERANCE
        other = numbers != number
        within &= other[:, None, None] & other[:, None] & other
        empty &= ~(within & real[:, number, None, None, None])
    return empty


def edges_across(points: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Which edges between two points cross the one from `start` to `end` between their ends.

    Args:
        points: (batch, points, 2).
        start, end: integers (batch,), rows of the points.

    Returns:
        Booleans (batch, points, points).
    """
    rows = torch.arange(len(points), device=points.device)
    ends = torch.stack([points[rows, start], points[rows, end]], 1)
    of_points = _side_of_each_edge(ends, points)[:, 0, 1]
    of_ends = _side_of_each_edge(points, ends)
    apart = of_points.unsqueeze(2) * of_points.unsqueeze(1) < 0
    return apart & (of_ends[..., 0] * of_ends[..., 1] < 0)


def _side_of_each_edge(corners: Tensor, others: Tensor) -> Tensor:
    """(batch, corners, corners, others): above 0 where an other lies left of the edge i j."""
    along = corners.unsqueeze(1) - corners.unsqueeze(2)
    towards = others.unsqueeze(1) - corners.unsqueeze(2)
    return along[..., 0].unsqueeze(3) * towards[..., 1].unsqueeze(2) - along[..., 1].unsqueeze(
        3
    ) * towards[..., 0].unsqueeze(2)
