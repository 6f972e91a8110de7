"""How the threads of a team divide the work of a loop: samples, or columns of the products.

With samples of its own a thread waits for nobody, but reads all weights by itself. Threads that
have all samples in common read each weight once between them, and meet twice a product. The rule
was measured on two cores (`benchmarks/engine.py --threads 2`) and looks at sizes alone, so that a
call repeats bit for bit.
"""

from typing import NamedTuple

_WORK_OF_A_THREAD = 1_000_000  # multiply-adds that are worth waking a thread for
_SAMPLES_OF_A_THREAD = 8  # so many rows keep the multipliers busy
_WORTH_SHARING = 131_072  # weights; fewer are read in less time than threads take to meet


class Division(NamedTuple):
    """`groups` of samples, each with one thread; or, of one group, `parts` of the columns."""

    groups: int
    parts: int

    @property
    def threads(self) -> int:
        return max(self.groups, self.parts)


def worth_a_thread(rows: int, weights: int) -> bool:
    """Whether a loop over so many rows gains from a thread that runs it beside another."""
    return 2 * rows * weights >= _WORK_OF_A_THREAD


def divide(samples: int, rows: int, weights: int, tiles: int, threads: int) -> Division:
    """Divide a loop.

    Args:
        samples: of the batch.
        rows: samples times steps, as far as they are real.
        weights: multiply-adds of one row.
        tiles: the widest product's, the most parts there can be.
        threads: at most.
    """
    threads = min(threads, 1 + rows * weights // _WORK_OF_A_THREAD)
    if threads == 1:
        return Division(1, 1)
    parts = min(threads, tiles)
    if samples < _SAMPLES_OF_A_THREAD * threads and weights >= _WORTH_SHARING and parts > 1:
        return Division(1, parts)
    return Division(max(1, min(threads, samples)), 1)
