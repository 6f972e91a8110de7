"""How TSPLIB measures the distance of two points: a whole number, by each type's own rule.

EUC_2D    nint(r),   r = sqrt(dx^2 + dy^2);  nint(r) = floor(r + 1/2)
CEIL_2D   ceil(r)
ATT       the least whole number not below nint(s) and not below s = sqrt((dx^2 + dy^2) / 10)
GEO       floor(6378.388 arccos(((1 + q1) q2 - (1 - q1) q3) / 2) + 1), on the earth, a sphere, with
          q1 = cos(difference of longitudes), q2, q3 = cos(difference, sum of latitudes)

A coordinate of GEO is degrees and minutes as DDD.MM, latitude before longitude, and its angle is
3.141592 (degrees + 5/3 of the digits behind the point) / 180.

Source: Reinelt 1995, TSPLIB 95, section 2. The degrees of GEO are cut off, not rounded: so the tour
in the order of gr666 has the length that is given there to verify it by.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ostinato.data.planning.problems import Points

_PI, _EARTH_KM = 3.141592, 6378.388

Whole = NDArray[np.int64]


def _euclidean(begin: Points, end: Points) -> Whole:
    return np.floor(_apart(begin, end) + 0.5).astype(np.int64)


def _ceiling(begin: Points, end: Points) -> Whole:
    return np.ceil(_apart(begin, end)).astype(np.int64)


def _pseudo_euclidean(begin: Points, end: Points) -> Whole:
    exact = np.sqrt(((begin - end) ** 2).sum(-1) / 10)
    nearest = np.floor(exact + 0.5)
    return np.where(nearest < exact, nearest + 1, nearest).astype(np.int64)


def _geographical(begin: Points, end: Points) -> Whole:
    one, other = (_PI * degrees(part) / 180 for part in (begin, end))
    q1 = np.cos(one[..., 1] - other[..., 1])
    q2 = np.cos(one[..., 0] - other[..., 0])
    q3 = np.cos(one[..., 0] + other[..., 0])
    angle = np.arccos(np.clip(0.5 * ((1 + q1) * q2 - (1 - q1) * q3), -1, 1))
    return np.floor(_EARTH_KM * angle + 1).astype(np.int64)


DISTANCES: dict[str, Callable[[Points, Points], Whole]] = {
    "EUC_2D": _euclidean,
    "CEIL_2D": _ceiling,
    "ATT": _pseudo_euclidean,
    "GEO": _geographical,
}
"""By the name of the type: whole distances (...) between coordinates (..., 2)."""


def degrees(coordinates: Points) -> Points:
    """Decimal degrees of coordinates as DDD.MM."""
    whole = np.trunc(coordinates)
    return whole + 5 * (coordinates - whole) / 3


def as_plane(kind: str, coordinates: Points) -> Points:
    """Points (points, 2) as they lie in the plane, to plan with.

    Of GEO a map: x is the longitude, a degree of it as short as it is half way between the
    southernmost and the northernmost point, y the latitude. The wider the map, the less it says of
    distances.
    """
    if kind != "GEO":
        return coordinates
    latitude, longitude = degrees(coordinates).T
    shortened = np.cos(np.radians((latitude.min() + latitude.max()) / 2))
    return np.stack([longitude * shortened, latitude], 1)


def _apart(begin: Points, end: Points) -> Points:
    return np.sqrt(((begin - end) ** 2).sum(-1))
