"""Two works in turns, warm: what is printed is a ratio, not a time.

A work that runs in another process tells its own seconds; any other is timed here. On a machine
that others use, too, the processor's seconds of the process tell more than the wall's; they mean
something for works on one thread only.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple, Protocol, runtime_checkable

_FEWEST_ROUNDS = 5


@runtime_checkable
class TellsSeconds(Protocol):
    """A work with a clock of its own."""

    def seconds(self, *, processor: bool) -> float:
        """Work once; the seconds that it took, the processor's or the wall's."""
        ...


Work = Callable[[], object] | TellsSeconds


class Turns(NamedTuple):
    """Seconds of the fastest of each; peer / ours of the fastest, and the median of the rounds."""

    ours: float
    peer: float
    fastest: float
    middle: float
    rounds: int


def take_turns(ours: Work, peer: Work, seconds: float, *, processor: bool = False) -> Turns:
    """Run both, one after the other, for so many seconds, after each ran twice."""
    rounds = rounds_of([ours, peer], seconds, warm=2, fewest=_FEWEST_ROUNDS, processor=processor)
    best = [min(times) for times in zip(*rounds, strict=True)]
    middle = median(theirs / own for own, theirs in rounds)
    return Turns(best[0], best[1], best[1] / best[0], middle, len(rounds))


def rounds_of(
    works: Sequence[Work],
    limit: float,
    *,
    warm: int = 1,
    fewest: int = 1,
    processor: bool = False,
) -> list[tuple[float, ...]]:
    """Seconds of each work, in turns, until the limit is reached; `warm` turns come before."""
    for _ in range(warm):
        for work in works:
            _seconds_of(work, processor)
    end, rounds = time.perf_counter() + limit, list[tuple[float, ...]]()
    while len(rounds) < fewest or time.perf_counter() < end:
        rounds.append(tuple(_seconds_of(work, processor) for work in works))
    return rounds


def _seconds_of(work: Work, processor: bool) -> float:
    if isinstance(work, TellsSeconds):
        return work.seconds(processor=processor)
    clock = time.process_time if processor else time.perf_counter
    started = clock()
    work()
    return clock() - started
