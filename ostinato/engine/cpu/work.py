"""Plans carried out on the memory of a call: one at a time, or two by one team at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cpu.layout import Layout
from ostinato.engine.cpu.plan import At, Job, Plan, Stage, Word
from ostinato.engine.passes import PARTS_OF_A_SUM, Buffer

Memory = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Stages, how many threads walk through them, the room that they need while they do (in
    bytes), and the tensors to be made for them.
    """

    stages: Sequence[Stage]
    threads: int
    room: int
    buffers: tuple[Buffer, ...]

    @cached_property
    def plan(self) -> Plan:
        """The stages, laid out."""
        return Plan(self.stages, self.threads)


class Work(NamedTuple):
    """What is to be done, on which rows, in which memory."""

    prepared: Prepared
    layout: Layout
    memory: Memory


def carry_out(work: Work) -> None:
    """Do it, with the whole team."""
    plan, parts = work.prepared.plan, _parts(work)
    plan.run({part: parts[part].data_ptr() for part in plan.parts})


def carry_out_both(first: Work, second: Work) -> None:
    """Do both at the same time, each with the threads that it was prepared for.

    In neither may threads share the columns of products.
    """
    plan = _merged(first.prepared, second.prepared)
    parts = [_parts(first), _parts(second)]
    plan.run({part: parts[int(part[0])][part[2:]].data_ptr() for part in plan.parts})


def _parts(work: Work) -> Memory:
    """All of the memory; what is to be made for the work is made."""
    prepared, layout, memory = work
    for buffer in prepared.buffers:
        if buffer.name not in memory:
            memory[buffer.name] = _new(buffer, layout, memory["X"].dtype)
    room = torch.empty(prepared.room, dtype=torch.uint8, device="cpu")
    return memory | {"room": room, "tables": layout.tables}


def _new(buffer: Buffer, layout: Layout, dtype: torch.dtype) -> Tensor:
    first = {
        "steps": (layout.rows,),
        "states": (layout.samples + layout.rows,),
        "carry": (2, layout.samples),
        "samples": (layout.samples,),
        "sums": (layout.extent.division.threads, PARTS_OF_A_SUM),
    }[buffer.kind]
    make = torch.zeros if buffer.kind in ("sums", "samples") else torch.empty
    return make(*first, buffer.width, dtype=dtype, device="cpu")


@lru_cache(maxsize=64)
def _merged(first: Prepared, second: Prepared) -> Plan:
    """Stage by stage the jobs of both."""
    stages = [
        Stage([job for number, stage in enumerate(pair) for job in _own_jobs(number, stage)])
        for pair in zip_longest(first.stages, second.stages, fillvalue=Stage(()))
    ]
    return Plan(stages, first.threads + second.threads)


def _own_jobs(number: int, stage: Stage) -> list[Job]:
    """A stage's jobs, their parts of memory told apart from the other's."""
    assert not stage.together
    return [
        Job(job.function, [_own_word(number, word) for word in job.fields]) for job in stage.jobs
    ]


def _own_word(number: int, word: Word) -> Word:
    return At(f"{number} {word.part}", word.offset) if isinstance(word, At) and word.part else word
