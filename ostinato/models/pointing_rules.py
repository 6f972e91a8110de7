"""Which pointers make a valid answer: a mask for every step, so that no other can be given.

A pointer is an integer: 0 ends the answer, k points at the k-th point, counted from 1 as in the
files of Vinyals 2015. Each problem's rules are three functions on a progress, a named tuple of
tensors whose first axis is the batch; a progress is part of the state carried between steps, and a
beam selects among its rows. Nothing can be allowed but what leads to a whole valid answer.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.errors import SettingsError
from ostinato.models.empty_triangles import TOLERANCE, edges_across, empty_triangles

END = 0
MOST_KEPT_APART = 100
"""Points up to which triangles are kept apart: of more, all triangles are too many to look at."""


class PointingRules(ABC):
    """What may be pointed at, step by step."""

    @abstractmethod
    def start(self, points: Tensor, lengths: Tensor) -> Any:
        """The progress before the first step.

        Args:
            points: (batch, points, coordinates), padded.
            lengths: integers (batch,), the real points of each sample.
        """

    @abstractmethod
    def allowed(self, progress: Any) -> Tensor:
        """Booleans (batch, points + 1), True = may come next; END is column 0."""

    @abstractmethod
    def advance(self, progress: Any, pointers: Tensor) -> Any:
        """The progress after `pointers` (batch,); END before the first step changes nothing."""

    @abstractmethod
    def longest(self, points: int) -> int:
        """Steps of the longest answer for so many points, the END with it."""


class Visited(NamedTuple):
    """`open` (batch, points + 1): not yet pointed at; `count` (batch,): points pointed at."""

    open: Tensor
    count: Tensor


class Permutation(PointingRules):
    """Every point once: sorting; and tours, which begin at the first point.

    Args:
        from_first: the first pointer is 1.
    """

    def __init__(self, *, from_first: bool) -> None:
        self.from_first = from_first

    def start(self, points: Tensor, lengths: Tensor) -> Visited:
        return Visited(real_points(points, lengths), torch.zeros_like(lengths))

    def allowed(self, progress: Visited) -> Tensor:
        mask = _or_end(progress.open, ~progress.open.any(1))
        if self.from_first:
            only_first = torch.zeros_like(mask)
            only_first[:, 1] = True
            mask = torch.where((progress.count == 0).unsqueeze(1), only_first, mask)
        return mask

    def advance(self, progress: Visited, pointers: Tensor) -> Visited:
        return Visited(
            progress.open.scatter(1, pointers.unsqueeze(1), False),
            progress.count + (pointers != END),
        )

    def longest(self, points: int) -> int:
        return points + 1


class Outline(NamedTuple):
    """A polygon as far as it is drawn.

    `points` (batch, points + 1, 2), row 0 empty; `open` (batch, points + 1): may still come;
    `first`, `second`, `before`, `last` (batch,) pointers, 0 where there is none yet; `count`
    (batch,); `closed` (batch,).
    """

    points: Tensor
    open: Tensor
    first: Tensor
    second: Tensor
    before: Tensor
    last: Tensor
    count: Tensor
    closed: Tensor


class Polygon(PointingRules):
    """Distinct points, the lowest number first, and closed by pointing at the first again.

    Args:
        convex: every turn is to the left, so that the polygon is convex and counter-clockwise. A
            point left of the edge before it, of the first edge and of the ray from the first point
            to the last one always leaves the way back to the first point open.
    """

    def __init__(self, *, convex: bool) -> None:
        self.convex = convex

    def start(self, points: Tensor, lengths: Tensor) -> Outline:
        nowhere = torch.zeros_like(lengths)
        table = torch.cat([torch.zeros_like(points[:, :1]), points], 1)
        closed = torch.zeros_like(lengths, dtype=torch.bool)
        open_ = real_points(points, lengths)
        return Outline(table, open_, nowhere, nowhere, nowhere, nowhere, nowhere, closed)

    def allowed(self, progress: Outline) -> Tensor:
        count = progress.count.unsqueeze(1)
        mask = self._next(progress)
        for early, rule in ((0, self._first), (1, self._second)):
            if bool((count == early).any()):
                mask = torch.where(count == early, rule(progress), mask)
        closing = _one_hot(progress.first, mask.shape[1]) & (count >= 3)
        return _or_end(mask | closing, progress.closed)

    def advance(self, progress: Outline, pointers: Tensor) -> Outline:
        count = progress.count
        fresh = (pointers != END) & ~progress.closed
        closing = fresh & (count > 0) & (pointers == progress.first)
        first = torch.where(fresh & (count == 0), pointers, progress.first)
        numbers = torch.arange(progress.open.shape[1], device=pointers.device)
        after_first = numbers > first.unsqueeze(1)
        return Outline(
            progress.points,
            (progress.open & after_first).scatter(1, pointers.unsqueeze(1), False),
            first,
            torch.where(fresh & (count == 1), pointers, progress.second),
            torch.where(fresh & ~closing, progress.last, progress.before),
            torch.where(fresh & ~closing, pointers, progress.last),
            count + fresh,
            progress.closed | closing,
        )

    def longest(self, points: int) -> int:
        return points + 2

    def _first(self, progress: Outline) -> Tensor:
        """A point with two of higher number that do not lie on a line with it."""
        if not self.convex:
            return progress.open & _so_many_after(progress.open, 2)
        table, numbers = progress.points, torch.arange(progress.open.shape[1])
        after = (numbers > numbers.unsqueeze(1)).to(table.device) & progress.open.unsqueeze(1)
        edges = (table.unsqueeze(1) - table.unsqueeze(2)).masked_fill(~after.unsqueeze(3), 0.0)
        farthest = edges.square().sum(3).argmax(2)
        index = farthest[:, :, None, None].expand(-1, -1, 1, 2)
        sides = _cross(edges.gather(2, index), edges).squeeze(2)
        return progress.open & (sides.abs().amax(2) > TOLERANCE)

    def _second(self, progress: Outline) -> Tensor:
        """Any point after the first with another to the left of the edge towards it."""
        if not self.convex:
            return progress.open
        origin = _rows(progress.points, progress.first)
        sides = _cross(progress.points - origin, progress.points - origin)
        return progress.open & ((sides > TOLERANCE) & progress.open.unsqueeze(1)).any(2)

    def _next(self, progress: Outline) -> Tensor:
        if not self.convex:
            return progress.open
        table = progress.points
        origin, before, last = (
            _rows(table, number) for number in (progress.first, progress.before, progress.last)
        )
        to_second = _rows(table, progress.second) - origin
        turns = _cross(last - before, table - last)
        around = _cross(last - origin, table - origin)
        ahead = _cross(to_second, table - origin)
        left = torch.minimum(torch.minimum(turns, around), ahead).squeeze(1)
        return progress.open & (left > TOLERANCE)


class Triangles(NamedTuple):
    """`open` (batch, points + 1): the real points; `triangle` (batch, 3): the last whole one;
    `corners` (batch, 2): those of the next one so far; `count` (batch,): pointers so far;
    `ended` (batch,); `most` (batch,): pointers that a triangulation has at most.
    """

    open: Tensor
    triangle: Tensor
    corners: Tensor
    count: Tensor
    ended: Tensor
    most: Tensor


class Triangulation(PointingRules):
    """Triangles i < j < k in rising order: by i, then j, then k; each once; then END.

    They may overlap.
    """

    def start(self, points: Tensor, lengths: Tensor) -> Triangles:
        batch = lengths.shape[0]
        return Triangles(
            real_points(points, lengths),
            lengths.new_zeros(batch, 3),
            lengths.new_zeros(batch, 2),
            torch.zeros_like(lengths),
            torch.zeros_like(lengths, dtype=torch.bool),
            3 * (2 * lengths - 5),
        )

    def allowed(self, progress: Triangles) -> Tensor:
        phase = (progress.count % 3).unsqueeze(1)
        corners = torch.where(phase == 1, self._second(progress), self._third(progress))
        mask = torch.where(phase == 0, self._first(progress), corners)
        whole = (phase.squeeze(1) == 0) & (progress.count > 0)
        mask = mask & ~(whole & (progress.count >= progress.most)).unsqueeze(1)
        ended = progress.ended | ~mask.any(1)
        mask = mask & ~ended.unsqueeze(1)
        mask[:, END] = whole | ended
        return mask

    def advance(self, progress: Triangles, pointers: Tensor) -> Triangles:
        fresh = pointers != END
        phase = progress.count % 3
        corners = _corners_with(progress.corners, pointers, fresh, phase)
        whole = torch.cat([corners, pointers.unsqueeze(1)], 1)
        done = (fresh & (phase == 2)).unsqueeze(1)
        return Triangles(
            progress.open,
            torch.where(done, whole, progress.triangle),
            corners,
            progress.count + fresh,
            progress.ended | (~fresh & (progress.count > 0)),
            progress.most,
        )

    def longest(self, points: int) -> int:
        return 3 * (2 * points - 5) + 1

    def _first(self, progress: Triangles) -> Tensor:
        """Not before the last triangle's; the same only where a later pair follows it."""
        first, second, third = (corner.unsqueeze(1) for corner in progress.triangle.unbind(1))
        size = progress.open.sum(1, keepdim=True)
        numbers = self._numbers(progress)
        same = (third < size) | (second < size - 1)
        return progress.open & (numbers <= size - 2) & (numbers >= first + (~same).long())

    def _second(self, progress: Triangles) -> Tensor:
        first, second, third = (corner.unsqueeze(1) for corner in progress.triangle.unbind(1))
        size = progress.open.sum(1, keepdim=True)
        numbers, corner = self._numbers(progress), progress.corners[:, :1]
        mask = progress.open & (numbers > corner) & (numbers < size)
        not_before = numbers >= second + (third >= size).long()
        return mask & (not_before | (corner != first))

    def _third(self, progress: Triangles) -> Tensor:
        numbers, corners = self._numbers(progress), progress.corners
        mask = progress.open & (numbers > corners[:, 1:])
        same = (corners == progress.triangle[:, :2]).all(1, keepdim=True)
        return mask & ((numbers > progress.triangle[:, 2:]) | ~same)

    def _numbers(self, progress: Triangles) -> Tensor:
        return torch.arange(progress.open.shape[1], device=progress.open.device)


class PlanarTriangles(NamedTuple):
    """`points` (batch, points, 2); `free` (batch, points, points, points), at i, j, k: may come;
    `corners` (batch, 2): pointers of the next triangle so far; `count` (batch,): pointers so far;
    `ended` (batch,).
    """

    points: Tensor
    free: Tensor
    corners: Tensor
    count: Tensor
    ended: Tensor


class PlanarTriangulation(PointingRules):
    """As `Triangulation`, of triangles that do not overlap and hold no other point.

    Two of those overlap only where their sides cross: so no side may cross an earlier one. All
    triangles that may still come are known at every step, points^3 of them.
    """

    def start(self, points: Tensor, lengths: Tensor) -> PlanarTriangles:
        points = points.double()
        return PlanarTriangles(
            points,
            empty_triangles(points, lengths),
            lengths.new_zeros(lengths.shape[0], 2),
            torch.zeros_like(lengths),
            torch.zeros_like(lengths, dtype=torch.bool),
        )

    def allowed(self, progress: PlanarTriangles) -> Tensor:
        phase = (progress.count % 3).unsqueeze(1)
        rows = torch.arange(len(phase), device=phase.device)
        first, second = (progress.corners - 1).clamp_min(0).unbind(1)
        of_first = progress.free[rows, first]
        corners = torch.where(phase == 1, of_first.any(2), of_first[rows, second])
        mask = torch.where(phase == 0, progress.free.any(3).any(2), corners)
        whole = (phase.squeeze(1) == 0) & (progress.count > 0)
        ended = progress.ended | ~mask.any(1)
        return torch.cat([(whole | ended).unsqueeze(1), mask & ~ended.unsqueeze(1)], 1)

    def advance(self, progress: PlanarTriangles, pointers: Tensor) -> PlanarTriangles:
        fresh = pointers != END
        phase = progress.count % 3
        corners = _corners_with(progress.corners, pointers, fresh, phase)
        done = fresh & (phase == 2)
        free = progress.free
        if bool(done.any()):
            left = self._left_by(progress, torch.cat([corners, pointers.unsqueeze(1)], 1))
            free = free & (left | ~done[:, None, None, None])
        ended = progress.ended | (~fresh & (progress.count > 0))
        return PlanarTriangles(progress.points, free, corners, progress.count + fresh, ended)

    def longest(self, points: int) -> int:
        return 3 * (2 * points - 5) + 1

    def _left_by(self, progress: PlanarTriangles, triangle: Tensor) -> Tensor:
        """What comes after `triangle` (batch, 3) in the order, and has no side across one of it."""
        first, second, third = (triangle - 1).clamp_min(0).unbind(1)
        across = edges_across(progress.points, first, second)
        across |= edges_across(progress.points, second, third)
        across |= edges_across(progress.points, first, third)
        size = progress.points.shape[1]
        places = torch.arange(size**3, device=triangle.device).view(size, size, size)
        later = places > ((first * size + second) * size + third)[:, None, None, None]
        return later & ~(across.unsqueeze(3) | across.unsqueeze(2) | across.unsqueeze(1))


def rules_for(
    problem: str, *, convex: bool = True, apart: bool = True, points: int = 0
) -> PointingRules:
    """The rules of a problem.

    Args:
        problem: "sort", "tsp", "convex-hull" or "delaunay".
        convex: of a hull: only convex polygons; False: any distinct points, as Vinyals 2015 has it.
        apart: of a triangulation: triangles that do not overlap; False: any.
        points: of the largest instance; of more than `MOST_KEPT_APART`, triangles may overlap.
    """
    if problem == "convex-hull":
        return Polygon(convex=convex)
    if problem == "delaunay":
        return PlanarTriangulation() if apart and points <= MOST_KEPT_APART else Triangulation()
    if problem in ("sort", "tsp"):
        return Permutation(from_first=problem == "tsp")
    raise SettingsError(f"there are no rules for the problem {problem!r}")


def rules_to_learn(problem: str) -> PointingRules:
    """The weaker rules under which labels are learned.

    Which polygons are convex and which triangles overlap is for a planner to learn, and to be held
    to when it answers.
    """
    return rules_for(problem, convex=False, apart=False)


def allowed_along(
    rules: PointingRules, points: Tensor, lengths: Tensor, pointers: Tensor
) -> Tensor:
    """What was allowed before each of `pointers` (batch, time): (batch, time, points + 1)."""
    progress, masks = rules.start(points, lengths), []
    for step in range(pointers.shape[1]):
        masks.append(rules.allowed(progress))
        progress = rules.advance(progress, pointers[:, step])
    return torch.stack(masks, 1)


def real_points(points: Tensor, lengths: Tensor) -> Tensor:
    """Booleans (batch, points + 1), True at the pointers of real points; False at END."""
    numbers = torch.arange(points.shape[1] + 1, device=lengths.device)
    return (numbers > 0) & (numbers <= lengths.unsqueeze(1))


def _corners_with(corners: Tensor, pointers: Tensor, fresh: Tensor, phase: Tensor) -> Tensor:
    """The first two corners of the next triangle, (batch, 2), after `pointers`."""
    return torch.stack(
        [torch.where(fresh & (phase == place), pointers, corners[:, place]) for place in (0, 1)],
        1,
    )


def _or_end(mask: Tensor, ended: Tensor) -> Tensor:
    """`mask` where the answer goes on, END alone where it has ended."""
    mask = mask & ~ended.unsqueeze(1)
    mask[:, END] = ended
    return mask


def _one_hot(pointers: Tensor, size: int) -> Tensor:
    return torch.arange(size, device=pointers.device) == pointers.unsqueeze(1)


def _so_many_after(mask: Tensor, count: int) -> Tensor:
    """Where at least `count` of the later places of `mask` are True."""
    after = mask.sum(1, keepdim=True) - mask.cumsum(1)
    return after >= count


def _rows(table: Tensor, pointers: Tensor) -> Tensor:
    """(batch, 1, 2): the rows that `pointers` (batch,) point at."""
    return table[torch.arange(table.shape[0], device=table.device), pointers].unsqueeze(1)


def _cross(one: Tensor, other: Tensor) -> Tensor:
    """Signed areas (..., n, m) that vectors (..., n, 2) and (..., m, 2) span."""
    return one[..., :, None, 0] * other[..., None, :, 1] - (
        one[..., :, None, 1] * other[..., None, :, 0]
    )
