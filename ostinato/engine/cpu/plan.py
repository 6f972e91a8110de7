"""What a team of threads does in one call: stages of machine code, and where their data lie.

A plan is made once for a shape and run often. What changes from call to call are addresses: they
are filled in by adding the place where a part of memory lies in this call to the distances noted
here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ostinato.engine.cpu.team import HEADER, header, walk, walker


class At(NamedTuple):
    """An address: so many bytes into a part of memory that each call brings."""

    part: str
    offset: int = 0

    def __add__(self, more: object) -> "At":
        """So many bytes further on."""
        assert isinstance(more, int)
        return At(self.part, self.offset + more)


Word = int | At


class Job(NamedTuple):
    """Machine code (see `team`) and its fields."""

    function: int
    fields: Sequence[Word]


class Stage(NamedTuple):
    """Jobs that wait for those before; `together`: a single one, which all threads do at once."""

    jobs: Sequence[Job]
    together: bool = False


class Plan:
    """Stages, laid out as the team reads them.

    Args:
        stages: in order.
        threads: how many walk through them.
    """

    def __init__(self, stages: Sequence[Stage], threads: int) -> None:
        self.threads = threads
        words = _laid_out(stages)
        places = [place for place, word in enumerate(words) if isinstance(word, At)]
        parts = [word.part for word in words if isinstance(word, At)]
        self.parts = tuple(part for part in dict.fromkeys(parts) if part)
        number = {part: index for index, part in enumerate(("", *self.parts))}
        self._words = np.array(
            [word.offset if isinstance(word, At) else word for word in words], dtype=np.int64
        )
        self._places = np.array(places)
        self._which = np.array([number[part] for part in parts])

    def run(self, addresses: Mapping[str, int]) -> None:
        """Walk through the stages, with each part of memory at its address."""
        words = self._filled(addresses)
        walk(words.__array_interface__["data"][0], self.threads)

    def bound(self, addresses: Mapping[str, int]) -> "Bound":
        """The same, to be called often, for memory that stays where it is."""
        words = self._filled(addresses)
        return Bound(walker(words.__array_interface__["data"][0], self.threads), words)

    def _filled(self, addresses: Mapping[str, int]) -> np.ndarray:
        words = self._words.copy()
        own: int = words.__array_interface__["data"][0]
        found = np.array([own, *(addresses[part] for part in self.parts)], dtype=np.int64)
        words[self._places] += found[self._which]
        return words


def _laid_out(stages: Sequence[Stage]) -> list[Word]:
    """The words of a plan: stages, then jobs, then fields."""
    jobs = [job for stage in stages for job in stage.jobs]
    words: list[Word] = [*header(len(stages))]
    first = HEADER + 2 * len(stages)
    for stage in stages:
        words += [At("", 8 * first), 0 if stage.together else len(stage.jobs)]
        first += 2 * len(stage.jobs)
    for job in jobs:
        words += [job.function, At("", 8 * first)]
        first += len(job.fields)
    return words + [word for job in jobs for word in job.fields]


class Bound(NamedTuple):
    """A plan with all its addresses: `run` walks through it. The words must live as long."""

    run: Callable[[], None]
    words: np.ndarray
