"""A class for a whole sample: surnames, promoters, series of the UCR archive, sentences, digits.

    OSTINATO_DATA=FOLDER python recipes/classification.py names
    OSTINATO_DATA=FOLDER python recipes/classification.py promoters
    OSTINATO_DATA=FOLDER python recipes/classification.py Gun_Point        # or another UCR set
    OSTINATO_DATA=FOLDER python recipes/classification.py trec             # or subj
    OSTINATO_DATA=FOLDER python recipes/classification.py mnist-rows

names       the surnames of 18 languages, each once a language; a fifth drawn by the seed 0 is the
            test. No figure was published for this split.
promoters   E. coli sigma70 promoters against other pieces of its genome, 81 nucleotides; a fifth is
            the test. No figure of this split was checked.
UCR         the archive's own training and test parts. Published errors (Wang 2017, FCN / ResNet /
            nearest neighbour by time warping): Gun_Point 0/.007/.093, Trace 0/0/0,
            Synthetic_control .01/0/.007, ECG200 .10/.13/.23.
trec, subj  questions of six kinds, its own test; subjective or objective sentences, of which a
            tenth is the test. Published, a convolutional network without pretrained vectors
            (README of harvardnlp/sent-conv-torch): 88.2 and 89.2.
mnist-rows  digits as 28 steps of 28 pixels, the usual test of 10,000.

No data is changed but for its form; files are written into the folder of the run. Ours: see
recipes/README.md.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

Row = tuple[str, str]
FOLDER = "classification"
SETTINGS: dict[str, dict[str, object]] = {
    "names": {"epochs": 12, "tokens": "characters", "hidden-size": 128, "batch-size": 64},
    "promoters": {
        "epochs": 40,
        "tokens": "characters",
        "hidden-size": 64,
        "embedding-size": 16,
        "dropout": 0.4,
    },
    "ucr": {
        "updates": 1500,
        "cell": "gru",
        "hidden-size": 64,
        "batch-size": 16,
        "validation-fraction": 0.0,
        "dropout": 0.1,
    },
    "sentences": {
        "epochs": 10,
        "tokens": "words",
        "token-dropout": 0.2,
        "embedding-size": 128,
        "dropout": 0.5,
        "learning-rate": 2e-3,
    },
    "mnist-rows": {
        "epochs": 8,
        "hidden-size": 128,
        "read-out": "last",
        "no-bidirectional": "",
        "batch-size": 100,
        "validation-fraction": 0.05,
    },
}
SHARED = {"schedule": "cosine", "final-rate": 0.05}
SENTENCES = ("trec", "subj")


def find(name: str) -> Path:
    """A file or folder under $OSTINATO_DATA; ends with a reason where it is not there."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {name}")
    path = Path(folder) / name
    if not path.exists():
        sys.exit(f"skipped: there is no {path}")
    return path


def files_of(task: str, made: Path) -> tuple[Path, Path]:
    """The training and the test file of a task, made where the data has another form."""
    if task == "names":
        return write(made, *divided(surnames(find("names/by_language")), 5))
    if task == "promoters":
        folder = find("genomes/promoters")
        rows = fasta(folder / "Ecoli_prom.fa", "promoter")
        return write(made, *divided(rows + fasta(folder / "Ecoli_non_prom.fa", "other"), 5))
    if task == "trec":
        folder = find(f"{FOLDER}/sentence_sets")
        return write(made, labelled(folder / "TREC.train.all"), labelled(folder / "TREC.test.all"))
    if task == "subj":
        return write(made, *divided(labelled(find(f"{FOLDER}/sentence_sets/subj.all")), 10))
    if task == "mnist-rows":
        folder = find(f"{FOLDER}/mnist_idx")
        return folder / "train-images-idx3-ubyte", folder / "t10k-images-idx3-ubyte"
    folder = find(f"{FOLDER}/ucr_small/{task}")
    return folder / f"{task}_TRAIN", folder / f"{task}_TEST"


def surnames(folder: Path) -> list[Row]:
    """Each name once a language."""
    rows: list[Row] = []
    for file in sorted(folder.glob("*.txt")):
        if file.stem != "SOURCE":
            names = {line.strip() for line in file.read_text(encoding="utf-8").splitlines()}
            rows += [(name, file.stem) for name in sorted(names) if name]
    return rows


def fasta(file: Path, label: str) -> list[Row]:
    """The strings of a FASTA file, each once, so that none is in training and test."""
    records = file.read_text(encoding="utf-8").split(">")[1:]
    strings = {"".join(record.splitlines()[1:]).upper() for record in records}
    return [(string, label) for string in sorted(strings)]


def labelled(file: Path) -> list[Row]:
    """Lines of a class, a space and a sentence, in Latin-1."""
    lines = file.read_text(encoding="latin-1").split("\n")
    rows = (line.partition(" ") for line in lines if line.strip())
    return [(sentence.strip(), label) for label, _, sentence in rows]


def divided(rows: list[Row], part: int) -> tuple[list[Row], list[Row]]:
    """Those to train on, and one in `part` drawn for the test."""
    rows = sorted(rows)
    random.Random(0).shuffle(rows)
    count = len(rows) // part
    return rows[count:], rows[:count]


def write(made: Path, train: Iterable[Row], test: Iterable[Row]) -> tuple[Path, Path]:
    """Two tables with a text and a label."""
    made.mkdir(parents=True, exist_ok=True)
    files = made / "train.csv", made / "test.csv"
    for file, rows in zip(files, (train, test), strict=True):
        with file.open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened).writerows([("text", "label"), *rows])
    return files


def settings_of(task: str) -> dict[str, object]:
    """The settings of a task."""
    kind = "sentences" if task in SENTENCES else task if task in SETTINGS else "ucr"
    return SHARED | SETTINGS[kind]


def as_options(settings: dict[str, object]) -> list[str]:
    """Settings as the command line takes them; an empty one is a switch."""
    words = ((f"--{name}", str(value)) for name, value in settings.items())
    return [word for option in words for word in option if word]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", help="names, promoters, trec, subj, mnist-rows, or a UCR set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run")
    options = parser.parse_args()
    run = options.run or f"runs/classification-{options.task}"
    train, test = files_of(options.task, Path(f"{run}-data"))
    command = [sys.executable, "-m", "ostinato.cli"]
    arguments = as_options(settings_of(options.task))
    arguments += ["--data", str(train), "--run", run]
    arguments += ["--threads", str(options.threads), "--seed", str(options.seed)]
    started = time.time()
    subprocess.run([*command, "train", "classification", *arguments], check=True)
    seconds = round(time.time() - started, 1)
    evaluate = [*command, "evaluate", run, "--data", str(test), "--json"]
    figures = json.loads(subprocess.run(evaluate, check=True, capture_output=True).stdout)
    print(json.dumps({"test": figures, "training_seconds": seconds}))


if __name__ == "__main__":
    main()
