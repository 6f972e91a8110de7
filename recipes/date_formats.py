"""Dates as people write them, into the one form that sorts: `Thursday, 3 May 1979` to `1979-05-03`.

A day between 1900 and 2099 is written in one of twelve ways, drawn at random, character by
character; the encoder-decoder with attention writes year, month and day. Which days train, which
validate and which test is drawn first, so that no day of one is a day of another: a date that was
not seen must be understood, not remembered.

    python recipes/date_formats.py
    python recipes/date_formats.py --score dot --updates 1000

Published: none for this split; the task is one of the usual first examples of attention.

Ours: see recipes/README.md.
"""

import argparse
import datetime
import json
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

from commands import as_options, call_ostinato, figures_of

MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
SIZES = {"train": 20_000, "valid": 1_000, "test": 1_000}
SETTINGS = {
    "tokens": "characters",
    "cell": "gru",
    "hidden-size": 64,
    "embedding-size": 32,
    "batch-tokens": 3000,
    "learning-rate": 4e-3,
    "schedule": "cosine",
    "warm-up": 50,
    "validate-every": 200,
    "workers": 0,
}


def ordinal(day: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{day}{'th' if day in (11, 12, 13) else ends.get(day % 10, 'th')}"


FORMATS: tuple[Callable[[datetime.date, str, str], str], ...] = (
    lambda d, month, weekday: f"{d.day} {month} {d.year}",
    lambda d, month, weekday: f"{month} {d.day}, {d.year}",
    lambda d, month, weekday: f"{weekday}, {d.day} {month} {d.year}",
    lambda d, month, weekday: f"{weekday}, {month} {ordinal(d.day)}, {d.year}",
    lambda d, month, weekday: f"the {ordinal(d.day)} of {month} {d.year}",
    lambda d, month, weekday: f"{d.day} {month[:3]} {d.year}",
    lambda d, month, weekday: f"{month[:3].upper()} {d.day:02d} {d.year}",
    lambda d, month, weekday: f"{weekday[:3]} {month[:3]} {d.day} {d.year}",
    lambda d, month, weekday: f"{d.day}.{d.month}.{d.year}",
    lambda d, month, weekday: f"{d.month:02d}/{d.day:02d}/{d.year}",
    lambda d, month, weekday: f"{d.year}, {month.lower()} {d.day}",
    lambda d, month, weekday: f"{d.year}{d.month:02d}{d.day:02d}",
)


def write(day: datetime.date, chance: random.Random) -> str:
    """A day in one of the formats; in every one it can be read in one way only."""
    form = chance.choice(FORMATS)
    return form(day, MONTHS[day.month - 1], WEEKDAYS[day.weekday()])


def draw_days(chance: random.Random) -> dict[str, list[datetime.date]]:
    """The days of each part; no day twice."""
    every = (LAST - FIRST).days + 1
    numbers = chance.sample(range(every), sum(SIZES.values()))
    parts, start = {}, 0
    for part, size in SIZES.items():
        chosen = numbers[start : start + size]
        parts[part] = [FIRST + datetime.timedelta(days=number) for number in chosen]
        start += size
    return parts


def make_files(folder: Path, seed: int) -> None:
    """`train.source`, `train.target`, and those of the other parts."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part, days in draw_days(chance).items():
        written = [write(day, chance) for day in days]
        (folder / f"{part}.source").write_text("\n".join(written) + "\n")
        (folder / f"{part}.target").write_text("\n".join(map(str, days)) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/dates"), help="of files and run")
    parser.add_argument("--score", default="additive")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    data, run = options.folder / "data", str(options.folder / "run")
    make_files(data, options.seed)
    files = {
        "source": data / "train.source",
        "target": data / "train.target",
        "valid-source": data / "valid.source",
        "valid-target": data / "valid.target",
    }
    chosen = {name: getattr(options, name) for name in ("score", "updates", "seed", "threads")}
    started = time.time()
    call_ostinato("train", "translation", "--run", run, *as_options(SETTINGS | files | chosen))
    took = {"training_seconds": round(time.time() - started, 1)}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took["processor_seconds"] = round(used.ru_utime + used.ru_stime, 1)
    test = as_options({"source": data / "test.source", "target": data / "test.target"})
    print(json.dumps({"test": figures_of("evaluate", run, *test, "--beam-size", 1)} | took))


if __name__ == "__main__":
    main()
