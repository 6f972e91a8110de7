"""What memory a classifier and a tagger take to train on a file, and to read it, against its size.

    python benchmarks/large_files.py --megabytes 75 300 1200

Makes files of these sizes in a temporary folder (its parent is --folder) and removes each after its
use: a table with a text a row, one with a series a row, and sentences with a label for every token.
Each is trained on for four updates, and then classified or tagged, in processes of their own, whose
peak of resident memory is told, torch included, beside that of a file of one megabyte. What may
grow with the file is an index: some tens of bytes a sample.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

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


Rows = Callable[[random.Random], Iterator[str]]
KINDS: dict[str, tuple[str, str, Rows, list[str], list[str]]] = {
    "texts": ("texts.csv", "text,label", texts, ["classification"], ["predict"]),
    "series": (
        "series.csv",
        ",".join([*(f"t{step}" for step in range(100)), "label"]),
        series,
        ["classification", "--format", "wide"],
        ["predict"],
    ),
    "sentences": ("sentences.tsv", "", tokens, ["tagging", "--characters", "ignored"], ["tag"]),
}


def write(path: Path, head: str, rows: Iterator[str], megabytes: float) -> None:
    """Rows until the file is so large; a block of them is repeated to be quick."""
    count = min(_BLOCK_LINES, int(1 + megabytes * 1500))
    block = "\n".join(next(rows) for _ in range(count)) + "\n"
    with path.open("w") as file:
        if head:
            file.write(head + "\n")
        for _ in range(max(1, round(megabytes * 1e6 / len(block)))):
            file.write(block)


def peak_of(arguments: list[str], cache: Path) -> tuple[float, float]:
    """The peak of resident memory of a command in MB, and its seconds of the processor."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ostinato.cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[75, 300, 1200])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    print(f"{'file':12} {'MB':>6} {'training':>18} {'predict or tag':>18}")
    for kind in options.kinds:
        name, head, rows, train, predict = KINDS[kind]
        for megabytes in [1.0, *options.megabytes]:
            with tempfile.TemporaryDirectory(dir=options.folder) as made:
                folder = Path(made)
                path, run = folder / name, folder / "run"
                write(path, head, rows(random.Random(0)), megabytes)
                arguments = ["train", *train, "--data", str(path), "--run", str(run), *TRAIN]
                trained = peak_of(arguments, folder / "cache")
                told = peak_of([*predict, str(run), str(path)], folder / "cache")
            cells = (f"{peak:6.0f} MB {seconds:6.0f} s" for peak, seconds in (trained, told))
            print(f"{kind:12} {megabytes:6.0f} {' '.join(f'{cell:>18}' for cell in cells)}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
