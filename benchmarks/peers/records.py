"""What was measured, a line of JSON each, so that a table can be made of many runs."""

import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path

from peers.turns import Turns

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / ".benchmarks" / "records.jsonl"


@dataclass(frozen=True)
class Record:
    """One case on one day. Seconds of the fastest; `ratio` of these; `median` over the rounds.

    `clock`: whose seconds, the "wall"'s or the "processor"'s. `commit`: of the package.
    """

    script: str
    case: str
    peer: str
    threads: int
    our_seconds: float
    peer_seconds: float
    ratio: float
    median: float
    limit_seconds: float | None
    aim: float | None
    clock: str
    machine: str
    commit: str
    day: str

    @classmethod
    def of(
        cls,
        script: str,
        case: str,
        peer: str,
        threads: int,
        turns: Turns,
        *,
        limit_seconds: float | None = None,
        aim: float | None = None,
        processor: bool = False,
    ) -> "Record":
        return cls(
            script,
            case,
            peer,
            threads,
            turns.ours,
            turns.peer,
            turns.fastest,
            turns.middle,
            limit_seconds,
            aim,
            "processor" if processor else "wall",
            machine(),
            commit(),
            date.today().isoformat(),
        )


def write(record: Record, path: Path) -> None:
    """Add a record to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        print(json.dumps(asdict(record)), file=file)


def read(path: Path) -> list[Record]:
    """All records of a file; of the same case, peer and threads the latest only."""
    if not path.exists():
        return []
    return latest(Record(**json.loads(line)) for line in path.read_text().splitlines())


def latest(records: Iterable[Record]) -> list[Record]:
    """Of each case the last one, in the order in which they first came."""
    kept = {(each.script, each.case, each.peer, each.threads): each for each in records}
    return list(kept.values())


@cache
def machine() -> str:
    """The processor, its width, and how many of it."""
    import os

    from ostinato.engine.cpu.target import host_target

    model = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.exists():
        lines = [line for line in told.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return f"{os.cpu_count()} cores {model} ({host_target().processor}, {host_target().name})"


@cache
def commit() -> str:
    """The state of the package that was measured; "+" where it differs from the commit."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "ostinato")
    return (git("log", "-1", "--format=%h", "--", "ostinato") or "unknown") + "+" * bool(changed)
