"""The team of threads that walk through a plan together: torch's own threads.

A plan is an array of 64-bit words: a header, then four words a stage,

    function, fields, stride, jobs

`function` is machine code, `void f(ptr fields, i64 part, i64 parts, ptr meeting)`. The `jobs` jobs
of a stage are dealt out: the fields of a job begin `stride` bytes after those of the one before it,
and whoever takes it is part 0 of 1. A stage of 0 jobs is done by all threads at once, on the same
fields, as parts 0, 1, ... of as many. After each stage the threads meet.

torch's OpenMP team is used because it is there: a team of our own would compete with it for the
processor's cores, as its threads stay awake for a while after each of torch's operations. Where no
team can be had (a forked child has none, and hangs if it asks) one thread walks alone.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ostinato.engine.cpu.machine_code import MachineCode, machine_code
from ostinato.engine.cpu.target import host_target

_HOME = os.getpid()

ARRIVALS = 16
"""The word that counts arrivals: in a cache line of its own."""

HEADER = 32
"""Words before the first stage: addresses that the walk needs, the number of stages, arrivals."""


def team_size() -> int:
    """How many threads work together here: torch's number, or 1 where it has no team for us."""
    asked = torch.get_num_threads()
    return 1 if asked == 1 or os.getpid() != _HOME or _openmp() is None else asked


def header(stages: int) -> list[int]:
    """The first words of a plan."""
    words = [0] * HEADER
    words[0] = _code().address("meet")
    words[4] = stages
    team = _openmp()
    if team is not None:
        words[1:4] = team.thread_number, team.team_size, team.give_way
    return words


def walk(address: int, threads: int) -> None:
    """Walk through the plan that begins at this address, on so many threads."""
    team = _openmp() if threads > 1 and os.getpid() == _HOME else None
    if team is None:
        _walk_alone()(address)
    else:
        team.parallel(_code().address("walk"), address, threads, 0)


def walker(address: int, threads: int) -> Callable[[], None]:
    """`walk` of these, at the least cost a call."""
    if threads == 1:
        return partial(_walk_alone(), address)
    return partial(walk, address, threads)


class _OpenMP(NamedTuple):
    """What we need of torch's OpenMP library, whichever it is: they all offer these."""

    parallel: Callable[..., None]
    thread_number: int
    team_size: int
    give_way: int


@cache
def _openmp() -> _OpenMP | None:
    for name in _libraries():
        library = _already_loaded(name)
        if library is None or not hasattr(library, "GOMP_parallel"):
            continue
        parallel = library.GOMP_parallel
        parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        functions = (library.omp_get_thread_num, library.omp_get_num_threads)
        give_way = ctypes.CDLL(None).sched_yield
        return _OpenMP(parallel, *map(_address, (*functions, give_way)))
    return None


def _libraries() -> list[str]:
    """Where torch's OpenMP may lie: beside torch's own libraries, or where the system keeps it."""
    beside = (Path(torch.__file__).parent / "lib").glob("lib*omp*")
    return [*sorted(map(str, beside)), "libgomp.so.1", "libomp.so.5", "libomp.so", "libomp.dylib"]


def _already_loaded(name: str) -> Any:
    """The library, if torch has loaded it: another one would bring threads of its own."""
    try:
        return ctypes.CDLL(name, mode=os.RTLD_NOLOAD)
    except (OSError, AttributeError):  # AttributeError: a system without the mode
        return None


def _address(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


@cache
def _walk_alone() -> Callable[[int], None]:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_code().address("walk_alone"))


@cache
def _code() -> MachineCode:
    target = host_target()
    pause = "llvm.x86.sse2.pause" if target.flushes else ""
    wait = f"call void @{pause}()" if pause else ""
    declared = f"declare void @{pause}()\n" if pause else ""
    return machine_code(declared + _WALK.replace("WAIT", wait), target)


# Threads that arrive early look again and again, since the others are near; after some microseconds
# they give way to whoever else wants the core.
_WALK = f"""
define void @meet(ptr %plan, i64 %parts) {{
entry:
  %arrivals = getelementptr i64, ptr %plan, i64 {ARRIVALS}
  %ticket = atomicrmw add ptr %arrivals, i64 1 seq_cst
  %round = udiv i64 %ticket, %parts
  %next = add i64 %round, 1
  %goal = mul i64 %next, %parts
  br label %look
look:
  %turn = phi i64 [ 0, %entry ], [ %turns, %again ]
  %here = load atomic i64, ptr %arrivals acquire, align 8
  %complete = icmp sge i64 %here, %goal
  br i1 %complete, label %end, label %wait
wait:
  %turns = add i64 %turn, 1
  %long = icmp ugt i64 %turn, 2000
  br i1 %long, label %yield, label %pause
pause:
  WAIT
  br label %again
yield:
  %place = getelementptr i64, ptr %plan, i64 3
  %function = load ptr, ptr %place
  %ignored = call i32 %function()
  br label %again
again:
  br label %look
end:
  ret void
}}

define internal void @walk_part(ptr %plan, i64 %part, i64 %parts) {{
entry:
  %count.at = getelementptr i64, ptr %plan, i64 4
  %count = load i64, ptr %count.at
  %team = icmp ugt i64 %parts, 1
  br label %stages
stages:
  %stage = phi i64 [ 0, %entry ], [ %next, %after ]
  %more = icmp slt i64 %stage, %count
  br i1 %more, label %stage.body, label %end
stage.body:
  %word = mul i64 %stage, 4
  %first = add i64 %word, {HEADER}
  %function.at = getelementptr i64, ptr %plan, i64 %first
  %fields.at = getelementptr i64, ptr %function.at, i64 1
  %stride.at = getelementptr i64, ptr %function.at, i64 2
  %jobs.at = getelementptr i64, ptr %function.at, i64 3
  %function = load ptr, ptr %function.at
  %fields = load ptr, ptr %fields.at
  %stride = load i64, ptr %stride.at
  %jobs = load i64, ptr %jobs.at
  %together = icmp eq i64 %jobs, 0
  br i1 %together, label %all, label %deal
all:
  call void %function(ptr %fields, i64 %part, i64 %parts, ptr %plan)
  br label %meet
deal:
  %job = phi i64 [ %part, %stage.body ], [ %job.next, %take ]
  %left = icmp slt i64 %job, %jobs
  br i1 %left, label %take, label %meet
take:
  %distance = mul i64 %job, %stride
  %own = getelementptr i8, ptr %fields, i64 %distance
  call void %function(ptr %own, i64 0, i64 1, ptr %plan)
  %job.next = add i64 %job, %parts
  br label %deal
meet:
  br i1 %team, label %wait, label %after
wait:
  call void @meet(ptr %plan, i64 %parts)
  br label %after
after:
  %next = add i64 %stage, 1
  br label %stages
end:
  ret void
}}

define void @walk(ptr %plan) {{
  %part.at = getelementptr i64, ptr %plan, i64 1
  %parts.at = getelementptr i64, ptr %plan, i64 2
  %part.function = load ptr, ptr %part.at
  %parts.function = load ptr, ptr %parts.at
  %part.short = call i32 %part.function()
  %parts.short = call i32 %parts.function()
  %part = zext i32 %part.short to i64
  %parts = zext i32 %parts.short to i64
  call void @walk_part(ptr %plan, i64 %part, i64 %parts)
  ret void
}}

define void @walk_alone(ptr %plan) {{
  call void @walk_part(ptr %plan, i64 0, i64 1)
  ret void
}}
"""
