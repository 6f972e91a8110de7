"""A case: two works that must agree, in turns; what they took beside what they could take.

`limit` is what the case's multiply-adds alone would take at the measured peak of one core, times
the threads: no engine is faster in float32, and the best ratio that could be is peer / limit. Where
nothing is said of multiply-adds there is no such limit.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from peers.elsewhere import PeerMissingError
from peers.peak import multiply_adds_a_second
from peers.records import RECORDS, Record, write
from peers.turns import take_turns


class Case(NamedTuple):
    """What is compared.

    `aims`: the ratios peer / ours to reach, on one thread and on two; None where nobody set one.
    `multiply_adds`: what the products of one turn need; None: no limit is stated.
    `tolerance`: how far the results of both may lie apart, as a share of the largest number in
    each; None: they are not alike. A result is a tensor, or tensors by name.
    """

    name: str
    peer_name: str
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    aims: tuple[float | None, float | None] = (None, None)
    multiply_adds: int | None = None
    tolerance: float | None = 2e-3


class Settings(NamedTuple):
    """How to measure. `busy`: by the processor's seconds; `records`: gets a line a case."""

    threads: int
    seconds: float
    only: str
    busy: bool
    records: Path


def parser_of(description: str | None, *, seconds: float = 2.0) -> argparse.ArgumentParser:
    """The options of every script of cases."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=seconds, help="for each case")
    parser.add_argument("--only", default="", help="cases whose name or peer holds this text")
    parser.add_argument(
        "--busy",
        action="store_true",
        help="others use this machine: count the processor's time (one thread only)",
    )
    parser.add_argument("--records", type=Path, default=RECORDS, help="a line a case is added")
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    if options.busy and options.threads != 1:
        raise SystemExit("--busy counts the time of one processor: --threads 1")
    torch.set_num_threads(options.threads)
    return Settings(options.threads, options.seconds, options.only, options.busy, options.records)


def compare_all(
    makers: Iterable[Callable[[], Case]], settings: Settings, script: str
) -> list[Record]:
    """Print a line a case, and record it."""
    records = []
    peak = multiply_adds_a_second()
    print(f"{settings.threads} thread(s); peak of one: {2e-9 * peak:.1f} GFLOP/s in float32")
    titles = "ours ms  peer ms limit ms  ratio  median  aim  possible"
    print(f"{'case':56} {'peer':22} {titles}", flush=True)
    for make in makers:
        torch.manual_seed(0)
        try:
            case = make()
            if settings.only not in f"{case.name}, {case.peer_name}":
                continue
            records.append(compare(case, settings, script))
            print(line_of(records[-1]), flush=True)
        except PeerMissingError as reason:
            print(f"skipped: {reason}", flush=True)
    return records


def compare(case: Case, settings: Settings, script: str) -> Record:
    """Check that both agree, let them take turns, and record what came."""
    found = case.ours(), case.peer()
    if case.tolerance is not None:
        check_agreement(*found, case.tolerance)
    turns = take_turns(case.ours, case.peer, settings.seconds, processor=settings.busy)
    close: Any = getattr(case.peer, "close", None)
    if close is not None:
        close()
    limit = None
    if case.multiply_adds is not None:
        limit = case.multiply_adds / multiply_adds_a_second() / settings.threads
    aim = case.aims[settings.threads - 1] if settings.threads <= 2 else None
    record = Record.of(
        script,
        case.name,
        case.peer_name,
        settings.threads,
        turns,
        limit_seconds=limit,
        aim=aim,
        processor=settings.busy,
    )
    write(record, settings.records)
    return record


def check_agreement(ours: Any, peer: Any, tolerance: float) -> None:
    """Raise AssertionError unless the results of both are the same, up to rounding."""
    if isinstance(ours, Tensor):
        ours, peer = {"result": ours}, {"result": peer}
    assert set(ours) == set(peer), f"{sorted(ours)} and {sorted(peer)}"
    for name, found in ours.items():
        largest = float(peer[name].detach().abs().max())
        torch.testing.assert_close(found, peer[name], rtol=0, atol=tolerance * largest)


def line_of(record: Record) -> str:
    limit = record.limit_seconds
    limited = "" if limit is None else f"{limit * 1e3:8.2f}"
    possible = "" if limit is None else f"{record.peer_seconds / limit:9.2f}"
    aim = "" if record.aim is None else f"{record.aim:.2f}"
    return (
        f"{record.case:56} {record.peer:22} {record.our_seconds * 1e3:7.2f} "
        f"{record.peer_seconds * 1e3:8.2f} {limited:8} {record.ratio:6.2f} {record.median:7.2f} "
        f"{aim:>4} {possible:>9}"
    )
