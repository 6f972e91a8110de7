"""Tours that are quick to find and need not be the shortest."""

import numpy as np

from ostinato.data.planning.problems import Answer, Points


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
    distances = distances_between(points)
    instances, count, _ = distances.shape
    rows = np.arange(instances)
    first, far = np.zeros(instances, dtype=np.int64), distances[:, 0].argmax(1)
    tours = np.stack([first, far], 1)[:, : min(2, count)]
    # How far each point is from the tour; -1 for those on it.
    nearest = np.minimum(distances[rows, first], distances[rows, far])
    nearest[rows[:, None], tours] = -1.0
    for length in range(tours.shape[1], count):
        point = nearest.argmax(1)
        near = np.take_along_axis(distances[rows, point], tours, 1)
        edges = distances[rows[:, None], tours, np.roll(tours, -1, 1)]
        behind = (near + np.roll(near, -1, 1) - edges).argmin(1)[:, None]
        places = np.arange(length + 1)
        kept = np.take_along_axis(tours, np.clip(places - (places > behind + 1), 0, length - 1), 1)
        tours = np.where(places == behind + 1, point[:, None], kept)
        nearest = np.minimum(nearest, distances[rows, point])
        nearest[rows, point] = -1.0
    return tours
