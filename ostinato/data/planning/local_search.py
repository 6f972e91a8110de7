"""Tours made shorter by small changes, for many instances at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.planning.heuristics import distances_between, farthest_insertion
from ostinato.data.planning.problems import Answer, Points

_LEAST_GAIN = 1e-12
_LONGEST_STRETCH = 3


class _Moves(NamedTuple):
    """The best move of one kind for each instance: what it gains, and the tour it leads to.

    `order` (instances, points) are places in the tour as it stands.
    """

    gains: Points
    order: Answer


def two_opt(points: Points) -> Answer:
    """Farthest insertion, made better while turning a stretch round or moving up to 3 points helps.

    Not always the shortest tour, but always the same one for the same points: no clock ends it, and
    no instance depends on those that it is solved together with.

    Args:
        points: (instances, points, coordinates).

    Returns:
        Rows in order (instances, points), from row 0 on.

    Source: Croes 1958 (2-opt), Or 1976.
    """
    tours = farthest_insertion(points)
    distances = distances_between(points)
    open_ones = np.arange(len(tours)) if points.shape[1] > _LONGEST_STRETCH else np.arange(0)
    while len(open_ones):
        shorter, helped = _step(tours[open_ones], distances[open_ones])
        open_ones = open_ones[helped]
        tours[open_ones] = shorter[helped]
    return _from_row_0(tours)


def _step(tours: Answer, distances: Points) -> tuple[Answer, NDArray[np.bool_]]:
    """Each tour after its best move, and whether that makes it shorter."""
    rows = np.arange(len(tours))[:, None, None]
    ordered = distances[rows, tours[:, :, None], tours[:, None, :]]
    count = tours.shape[1]
    sizes = range(1, min(_LONGEST_STRETCH, count - 3) + 1)
    kinds = [_turned(ordered), *(_moved(ordered, size) for size in sizes)]
    gains = np.stack([kind.gains for kind in kinds])
    best = gains.argmax(0)
    order = np.stack([kind.order for kind in kinds])[best, np.arange(len(tours))]
    return np.take_along_axis(tours, order, 1), gains.max(0) > _LEAST_GAIN


def _turned(ordered: Points) -> _Moves:
    """A stretch turned round; distances (instances, points, points) in the tour's order."""
    edges = np.diagonal(np.roll(ordered, -1, 2), axis1=1, axis2=2)
    after = np.roll(ordered, (-1, -1), (1, 2))
    gains = np.triu(edges[:, :, None] + edges[:, None, :] - ordered - after, 2)
    gain, before, last = _best_pair(gains)
    places = np.arange(ordered.shape[1])
    inside = (places > before) & (places <= last)
    return _Moves(gain, np.where(inside, before + 1 + last - places, places))


def _moved(ordered: Points, size: int) -> _Moves:
    """A stretch of `size` points moved elsewhere, either way round."""
    count = ordered.shape[1]
    following = np.roll(ordered, -1, 2)
    edges = np.diagonal(following, axis1=1, axis2=2)
    # [:, p, q]: p is the stretch's first place, q the place it is put behind.
    ends = np.roll(ordered, 1 - size, 1)
    around = np.diagonal(np.roll(ordered, (1, -size), (1, 2)), axis1=1, axis2=2)
    entering = np.roll(edges, 1, 1)
    leaving = np.roll(edges, 1 - size, 1)
    saved = (entering + leaving - around)[:, :, None] + edges[:, None, :]
    onward = saved - ordered - np.roll(ends, -1, 2)
    turned = saved - ends - following
    # Not behind itself, nor behind the place that it is behind already.
    offset = (np.arange(count)[None, :] - np.arange(count)[:, None]) % count
    allowed = (offset >= size) & (offset < count - 1)
    gain, first, behind = _best_pair(
        np.where(allowed, np.maximum(onward, turned), -np.inf),
    )
    rows = np.arange(len(ordered))[:, None]
    turns = turned[rows, first, behind] > onward[rows, first, behind]
    # The tour anew: from behind the stretch to its new place, the stretch, and the rest.
    ahead = (behind - first - size) % count
    places = np.arange(count)
    inside = places - ahead - 1
    stretch = first + np.where(turns, size - 1 - inside, inside)
    before = first + size + places
    rest = first + places
    order = np.where(inside < 0, before, np.where(inside < size, stretch, rest)) % count
    return _Moves(gain, order)


def _best_pair(gains: Points) -> tuple[Points, Answer, Answer]:
    """The largest gain (instances,), and where it is: two of (instances, 1)."""
    flat = gains.reshape(len(gains), -1)
    best = flat.argmax(1)
    first, second = np.unravel_index(best, gains.shape[1:])
    return flat[np.arange(len(flat)), best], first[:, None], second[:, None]


def _from_row_0(tours: Answer) -> Answer:
    """The same closed tours, begun at row 0."""
    starts = (tours == 0).argmax(1)[:, None]
    return np.take_along_axis(tours, (starts + np.arange(tours.shape[1])) % tours.shape[1], 1)
