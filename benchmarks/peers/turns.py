"""Two works in turns, in one process: what is printed is a ratio, not a time."""

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

_FEWEST_ROUNDS = 5


class Turns(NamedTuple):
    """Seconds of the fastest of each; peer / ours of the fastest, and the median of the rounds."""

    ours: float
    peer: float
    fastest: float
    middle: float
    rounds: int


def take_turns(ours: Callable[[], object], peer: Callable[[], object], seconds: float) -> Turns:
    """Run both, one after the other, for so many seconds, after each ran twice."""
    for _ in range(2):
        ours()
        peer()
    end, rounds = time.perf_counter() + seconds, list[tuple[float, float]]()
    while len(rounds) < _FEWEST_ROUNDS or time.perf_counter() < end:
        rounds.append((_seconds_of(ours), _seconds_of(peer)))
    best = [min(times) for times in zip(*rounds, strict=True)]
    middle = median(theirs / own for own, theirs in rounds)
    return Turns(best[0], best[1], best[1] / best[0], middle, len(rounds))


def _seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
