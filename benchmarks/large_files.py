"""What memory a classifier, a tagger and a forecaster take to train on a file, against its size.

    python benchmarks/large_files.py --megabytes 75 300 1200

Makes files of these sizes in a temporary folder (its parent is --folder) and removes each after its
use: a table with a text a row, one with a series a row, sentences with a label for every token, and
one series of ten columns, a row a minute, as CSV and as the Parquet file of the same rows. Each is
trained on for four updates, and then classified, tagged or judged by a backtest, in processes of
their own, whose peak of resident memory is told, torch included. What may grow with a file of
samples is an index: some tens of bytes a sample.
"""

import argparse
import itertools
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np

import ostinato.tasks.classification.task
import ostinato.tasks.forecasting.task
import ostinato.tasks.tagging.task  # noqa: F401  (for all children)
from ostinato.cli import main as cli
from ostinato.data import rows_on_disk

_BLOCK_LINES = 20_000
TRAIN = ["--updates", "4", "--hidden-size", "8", "--threads", "1", "--device", "cpu"]
TRAIN += ["--validation-fraction", "0.001"]


def texts(chance: random.Random) -> Iterator[str]:
    """Rows of a text of 40 to 160 words and its class."""
    words = ["".join(chance.choices("aeioustrnlmk", k=chance.randint(2, 9))) for _ in range(5000)]
    while True:
        yield f"{' '.join(chance.choices(words, k=chance.randint(40, 160)))},{chance.choice('abc')}"


def series(chance: random.Random) -> Iterator[str]:
    """Rows of 100 numbers and a class."""
    numbers = [f"{chance.gauss(0, 1):.3f}" for _ in range(5000)]
    while True:
        yield ",".join([*chance.choices(numbers, k=100), chance.choice("abc")])


def tokens(chance: random.Random) -> Iterator[str]:
    """Sentences of 10 to 30 tokens, each with a label."""
    words = ["".join(chance.choices("aeioustrnlmk", k=chance.randint(2, 9))) for _ in range(5000)]
    while True:
        rows = (f"{word}\t{word[0]}" for word in chance.choices(words, k=chance.randint(10, 30)))
        yield "\n".join(rows) + "\n"


def minutes(chance: random.Random) -> Iterator[str]:
    """Rows of ten numbers, of which one in a thousand is missing."""
    numbers = [f"{chance.gauss(0, 1):.5f}" for _ in range(5000)] + [""] * 5
    while True:
        yield ",".join(chance.choices(numbers, k=10))


Rows = Callable[[random.Random], Iterator[str]]
_MINUTES: tuple[str, Rows, list[str], list[str]] = (
    ",".join(["time", *(f"x{column}" for column in range(10))]),
    minutes,
    ["forecasting", "--horizon", "24", "--model", "segments"],
    ["backtest", "RUN", "--windows", "5"],
)
KINDS: dict[str, tuple[str, str, Rows, list[str], list[str]]] = {
    "texts": ("texts.csv", "text,label", texts, ["classification"], ["predict", "RUN", "FILE"]),
    "series": (
        "series.csv",
        ",".join([*(f"t{step}" for step in range(100)), "label"]),
        series,
        ["classification", "--format", "wide"],
        ["predict", "RUN", "FILE"],
    ),
    "minutes": ("minutes.csv", *_MINUTES),
    "parquet": ("minutes.parquet", *_MINUTES),
    "sentences": (
        "sentences.tsv",
        "",
        tokens,
        ["tagging", "--characters", "ignored"],
        ["tag", "RUN", "FILE"],
    ),
}


def write(path: Path, head: str, rows: Iterator[str], megabytes: float) -> None:
    """Rows until the file is so large; a block of them is repeated to be quick."""
    count = min(_BLOCK_LINES, int(1 + megabytes * 1500))
    lines = [next(rows) + "\n" for _ in range(count)]
    timed, size = head.startswith("time,"), 0
    with path.open("w") as file:
        if head:
            file.write(head + "\n")
        for number in itertools.count():
            if size >= megabytes * 1e6:
                return
            block = behind_minutes(lines, number * count) if timed else "".join(lines)
            size += file.write(block)


def as_parquet(table: Path, path: Path) -> None:
    """Turn a CSV file into the Parquet file of the same rows, some at a time."""
    import polars

    polars.scan_csv(table, try_parse_dates=True).sink_parquet(path)
    table.unlink()


def behind_minutes(lines: list[str], first: int) -> str:
    """Each line behind the time stamp of its minute, of which so many have passed."""
    places = np.arange(first, first + len(lines)).astype("timedelta64[m]")
    stamps = np.datetime_as_string(np.datetime64("1990-01-01T00:00", "m") + places).tolist()
    return "".join(f"{stamp},{line}" for stamp, line in zip(stamps, lines, strict=True))


def peak_of(arguments: list[str], in_memory: int | None) -> tuple[float, float]:
    """The peak of resident memory of a command in MB, and its seconds of the processor."""

    def command() -> int:
        if in_memory is not None:
            rows_on_disk.IN_MEMORY_BYTES = in_memory
        with Path(os.devnull).open("w") as nowhere:
            sys.stdout = nowhere
            return cli.main(arguments)

    return apart(command, " ".join(arguments))


def apart(work: Callable[[], int | None], name: str) -> tuple[float, float]:
    """The peak of memory and the seconds of a work in a child, which has imported everything."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work() or 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[75, 300, 1200])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--in-memory-megabytes",
        type=float,
        help="what is kept in memory of each column of the data; less shows with small files what "
        "large ones do",
    )
    parser.add_argument("--training-only", action="store_true", help="nothing is answered after it")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    limit = options.in_memory_megabytes
    limit = None if limit is None else round(limit * 1e6)
    os.environ["OMP_NUM_THREADS"] = "1"
    # Else each child would look for all fonts anew, in a cache of its own.
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    print(f"{'file':12} {'MB':>6} {'training':>18} {'answering':>18}")
    for kind in options.kinds:
        name, head, rows, train, answer = KINDS[kind]
        for megabytes in options.megabytes:
            with tempfile.TemporaryDirectory(dir=options.folder) as made:
                folder = Path(made)
                path, run = folder / name, folder / "run"
                table = path.with_suffix(".csv") if kind == "parquet" else path
                write(table, head, rows(random.Random(0)), megabytes)
                if kind == "parquet":
                    apart(partial(as_parquet, table, path), "writing Parquet")
                arguments = ["train", *train, "--data", str(path), "--run", str(run), *TRAIN]
                os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
                trained = peak_of(arguments, limit)
                named = {"RUN": str(run), "FILE": str(path)}
                measured = [trained]
                if not options.training_only:
                    measured.append(peak_of([named.get(one, one) for one in answer], limit))
            cells = (f"{peak:6.0f} MB {seconds:6.0f} s" for peak, seconds in measured)
            print(f"{kind:12} {megabytes:6.0f} {' '.join(f'{cell:>18}' for cell in cells)}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
