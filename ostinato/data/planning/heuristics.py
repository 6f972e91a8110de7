"""Tours that are quick to find and need not be the shortest."""

import numpy as np

from ostinato.data.planning.problems import Answer, Points

_LEAST_GAIN = 1e-12


def distances_between(points: Points) -> Points:
    """(instances, points, points) of points (instances, points, coordinates)."""
    return np.sqrt(((points[:, :, None] - points[:, None]) ** 2).sum(-1))


def tour_lengths(points: Points, tours: Answer) -> Points:
    """The length of each closed tour: (instances,).

    Args:
        points: (instances, points, coordinates).
        tours: rows in order (instances, points).
    """
    ordered = np.take_along_axis(points, tours[:, :, None], 1)
    return np.sqrt(((ordered - np.roll(ordered, -1, 1)) ** 2).sum(-1)).sum(-1)


def nearest_neighbour(points: Points) -> Answer:
    """From row 0, always on to the nearest point not yet visited: (instances, points)."""
    distances = distances_between(points)
    instances, count, _ = distances.shape
    rows, last = np.arange(instances), np.zeros(instances, dtype=np.int64)
    tour = np.zeros((instances, count), dtype=np.int64)
    distances[:, :, 0] = np.inf
    for place in range(1, count):
        last = distances[rows, last].argmin(1)
        tour[:, place] = last
        distances[rows, :, last] = np.inf
    return tour


def farthest_insertion(points: Points) -> Answer:
    """Begin at row 0; put in the point farthest from the tour where it lengthens it least.

    Source: Rosenkrantz 1977.
    """
    return np.stack([_insert_farthest(one) for one in distances_between(points)])


def two_opt(points: Points) -> Answer:
    """Farthest insertion, made better while turning a stretch round or moving up to 3 points helps.

    Not always the shortest tour, but always the same one for the same points: no clock ends it.

    Source: Croes 1958 (2-opt), Or 1976.
    """
    tours = farthest_insertion(points)
    return np.stack(
        [_improve(tour, one) for tour, one in zip(tours, distances_between(points), strict=True)]
    )


def _insert_farthest(distances: Points) -> Answer:
    count = len(distances)
    tour = np.array([0, int(distances[0].argmax())][: min(2, count)])
    nearest = np.minimum(distances[tour[0]], distances[tour[-1]])
    for _ in range(count - len(tour)):
        nearest[tour] = -1.0
        point = int(nearest.argmax())
        following = np.roll(tour, -1)
        added = distances[tour, point] + distances[point, following] - distances[tour, following]
        tour = np.insert(tour, int(added.argmin()) + 1, point)
        nearest = np.minimum(nearest, distances[point])
    return np.roll(tour, -int(np.argmin(tour)))


def _improve(tour: Answer, distances: Points) -> Answer:
    while True:
        shorter = _turned(tour, distances)
        shorter = _moved(tour, distances) if shorter is None else shorter
        if shorter is None:
            return np.roll(tour, -int(np.argmin(tour)))
        tour = shorter


def _turned(tour: Answer, distances: Points) -> Answer | None:
    """The tour with its best stretch turned round; None where none helps."""
    ordered = distances[np.ix_(tour, tour)]
    edges = np.diagonal(np.roll(ordered, -1, 1))
    after = np.roll(np.roll(ordered, -1, 0), -1, 1)
    gains = np.triu(edges[:, None] + edges[None] - ordered - after, 2)
    first, last = np.unravel_index(int(gains.argmax()), gains.shape)
    if gains[first, last] <= _LEAST_GAIN:
        return None
    return np.concatenate([tour[: first + 1], tour[last:first:-1], tour[last + 1 :]])


def _moved(tour: Answer, distances: Points) -> Answer | None:
    """The tour with its best stretch of 1 to 3 points moved elsewhere; None where none helps."""
    count, best = len(tour), (_LEAST_GAIN, None)
    for size in range(1, min(3, count - 3) + 1):
        for start in range(count):
            rolled = np.roll(tour, -start)
            stretch, rest = rolled[:size], rolled[size:]
            best = max(best, *_places(stretch, rest, distances), key=lambda found: found[0])
    return best[1]


def _places(stretch: Answer, rest: Answer, distances: Points) -> list[tuple[float, Answer | None]]:
    """The best place among `rest` for a stretch, either way round, and what it gains."""
    saved = (
        distances[rest[-1], stretch[0]]
        + distances[stretch[-1], rest[0]]
        - distances[rest[-1], rest[0]]
    )
    found: list[tuple[float, Answer | None]] = []
    for way in (stretch, stretch[::-1]):
        paid = (
            distances[rest[:-1], way[0]]
            + distances[way[-1], rest[1:]]
            - distances[rest[:-1], rest[1:]]
        )
        place = int(paid.argmin())
        whole = np.concatenate([rest[: place + 1], way, rest[place + 1 :]])
        found.append((float(saved - paid[place]), whole))
    return found
