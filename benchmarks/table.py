"""The whole table of what was measured, as Markdown: the aims beside what was seen.

Every benchmark that compares adds a line a case to `.benchmarks/records.jsonl`; of each case the
latest counts. So a full table is made of several runs, on one machine:

    taskset -c 1 python benchmarks/engine.py ...          # one thread
    python benchmarks/engine.py --threads 2 ...           # two
    python benchmarks/table.py                            # prints it
    python benchmarks/table.py --into benchmarks/README.md    # writes it between the marks there
"""

import argparse
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from peers.records import RECORDS, Record, read

BEGIN, END = "<!-- table: written by table.py -->", "<!-- end of table -->"
HEAD = """| case | beside | ours | ratio | aim | at the limit | on two: ratio | aim | at the limit |
|---|---|--:|--:|--:|--:|--:|--:|--:|"""
ORDER = ("engine", "other_frameworks", "compilation", "generation", "planning", "memory")


def markdown(records: Iterable[Record]) -> str:
    """A table a script: ratios of the fastest and, in brackets, medians; reached aims in bold."""
    listed = sorted(records, key=lambda each: place_of(each.script))
    parts = []
    for script, group in groupby(listed, key=lambda each: each.script):
        own = list(group)
        pairs: dict[tuple[str, str], dict[int, Record]] = {}
        for record in own:
            pairs.setdefault((record.case, record.peer), {})[record.threads] = record
        rows = [row(by_threads) for by_threads in pairs.values()]
        parts.append("\n".join([f"### `{script}.py`", "", circumstances(own), "", HEAD, *rows]))
    return "\n\n".join(parts)


def circumstances(records: Iterable[Record]) -> str:
    seen = {
        f"{each.machine}, {each.day}, state `{each.commit}`, "
        f"{each.threads} thread{'s' * (each.threads > 1)}, {each.clock} time"
        for each in records
    }
    return "; ".join(sorted(seen)) + "."


def place_of(script: str) -> int:
    return ORDER.index(script) if script in ORDER else len(ORDER)


def row(by_threads: dict[int, Record]) -> str:
    any_of = by_threads.get(1) or next(iter(by_threads.values()))
    ours = amount(any_of) if 1 in by_threads else ""
    cells = [any_of.case, any_of.peer, ours, *seen(by_threads.get(1)), *seen(by_threads.get(2))]
    return f"| {' | '.join(cells)} |"


def seen(record: Record | None) -> tuple[str, str, str]:
    """Ratio, aim, and the ratio that would be reached at the limit."""
    if record is None:
        return "", "", ""
    ratio = f"{record.ratio:.2f}"
    if record.aim is not None and record.ratio >= record.aim:
        ratio = f"**{ratio}**"
    if record.median != record.ratio:
        ratio += f" ({record.median:.2f})"
    aim = "" if record.aim is None else f"{record.aim:g}"
    limit = record.limit_seconds
    return ratio, aim, "" if limit is None else f"{record.peer_seconds / limit:.1f}"


def amount(record: Record) -> str:
    """Of ours: milliseconds, seconds or, of memory, megabytes."""
    number = record.our_seconds
    if record.script == "memory":
        return f"{number * 1e3:.0f} MB"
    return f"{number:.2f} s" if number >= 1 else f"{number * 1e3:.3g} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--into", type=Path, help="a file with the marks of a table")
    options = parser.parse_args()
    records = read(options.records)
    if not records:
        raise SystemExit(f"nothing is in {options.records}: run a benchmark first")
    table = markdown(records)
    if options.into is None:
        print(table)
        return
    text = options.into.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{options.into} has no place for the table: {BEGIN} ... {END}")
    before, after = text.split(BEGIN, 1)[0], text.split(END, 1)[1]
    options.into.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


if __name__ == "__main__":
    main()
