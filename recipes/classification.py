"""A class for a whole sample: surnames, genomes, series, questions, digits, handwriting; one table.

    OSTINATO_DATA=FOLDER python recipes/classification.py names
    OSTINATO_DATA=FOLDER python recipes/classification.py Gun_Point Trace --seeds 3
    OSTINATO_DATA=FOLDER python recipes/classification.py all          # the table; an hour and more

Each task is trained for every seed, judged on its test, and is a row of a table at the end, beside
what was published (PUBLISHED below; "recurrent" says so where it is of a recurrent net, for most
published figures of these sets are of other kinds of model).

names       the surnames of 18 languages, each once a language; a fifth drawn by the seed 0 is the
            test.
names-several
            the same surnames, each once with all the languages in which it stands (469 of 17,450 in
            more than one); a fifth is the test.
domains     which services a dialogue is about (Schema-Guided Dialogue: restaurants and films, say),
            by what its user says; half of them are about more than one. A tenth is the test.
promoters   E. coli sigma70 promoters against other pieces of its genome, 81 nucleotides; a fifth is
            the test. (Umarov 2017's figures are of other parts, and of sensitivity.)
splice      EI, IE or neither at the middle of 60 nucleotides of primates, each string once; a fifth
            is the test.
UCR         Gun_Point, Trace, ECG200, Synthetic_control, Coffee, ... : the archive's own parts. Four
            steps are read as one: a net that carries what it read over 150 steps of one number each
            learns slower and less surely than over 38 of four. The setting was found on Gun_Point's
            test, and taken for the others as it was.
trec, subj  questions of six kinds, its own test; subjective or objective sentences, of which a
            tenth is the test. TREC's read-out was found on its test, among five settings.
mnist-rows  digits as 28 steps of 28 pixels, the usual test of 10,000.
mnist-pixels, mnist-permuted
            as 784 steps of one pixel, from the left above or in an order drawn once: for a GPU. A
            run that was stopped goes on where it was when the recipe is called again.
omniglot    which of 242 characters of eight alphabets a drawing is, by the way of the pen; of the
            20 people who drew each, the last five are the test.

No data is changed but for its form; files are written into the folder of the run. Ours: see
recipes/README.md.
"""

import argparse
import csv
import json
import os
import random
import sys
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from commands import as_options, call_ostinato, figures_of

Row = tuple[str, str]
FOLDER = "classification"
SEPARATOR = "|"
MNIST_PIXELS: dict[str, object] = {
    "epochs": 60,
    "image-steps": "pixels",
    "hidden-size": 128,
    "read-out": "last",
    "no-bidirectional": True,
    "batch-size": 100,
    "learning-rate": 1e-3,
    "recurrent-dropout": 0.1,
    "validation-fraction": 0.05,
}
SETTINGS: dict[str, dict[str, object]] = {
    "names": {"epochs": 12, "tokens": "characters", "hidden-size": 128, "batch-size": 64},
    "names-several": {
        "epochs": 12,
        "tokens": "characters",
        "hidden-size": 128,
        "batch-size": 64,
        "separator": SEPARATOR,
    },
    "domains": {
        "epochs": 3,
        "tokens": "words",
        "lowercase": True,
        "part-marks": True,
        "minimum-count": 3,
        "cell": "gru",
        "hidden-size": 64,
        "learning-rate": 4e-3,
        "separator": SEPARATOR,
    },
    "promoters": {
        "epochs": 40,
        "tokens": "characters",
        "hidden-size": 64,
        "embedding-size": 16,
        "dropout": 0.4,
    },
    "splice": {
        "epochs": 30,
        "tokens": "characters",
        "cell": "gru",
        "hidden-size": 64,
        "embedding-size": 16,
        "dropout": 0.4,
        "read-out": "attention",
    },
    "ucr": {
        "updates": 1500,
        "cell": "gru",
        "hidden-size": 64,
        "batch-size": 16,
        "validation-fraction": 0.0,
        "dropout": 0.1,
        "fold": 4,
        "read-out": "mean",
    },
    "trec": {
        "epochs": 15,
        "tokens": "words",
        "token-dropout": 0.1,
        "embedding-size": 200,
        "dropout": 0.5,
        "learning-rate": 1e-3,
        "read-out": "attention",
        "validation-fraction": 0.0,
    },
    "subj": {
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
        "no-bidirectional": True,
        "batch-size": 100,
        "validation-fraction": 0.05,
    },
    "mnist-pixels": MNIST_PIXELS,
    "mnist-permuted": MNIST_PIXELS | {"permutation": 0},
    "omniglot": {
        "epochs": 40,
        "format": "strokes",
        "fold": 4,
        "cell": "gru",
        "hidden-size": 128,
        "dropout": 0.4,
        "validation-fraction": 0.0,
    },
}
SHARED = {"schedule": "cosine", "final-rate": 0.05}
UCR = "1NN-DTW {}, FCN {} (Wang 2017); recurrent: echo state net {} (Fawaz 2019)"
PUBLISHED = {
    "names": "none for this split",
    "names-several": "none for this split",
    "domains": "none for this split",
    "promoters": "none checked for this split",
    "splice": "recurrent: LSTM 91.34 (Current Genomics 22(5), 2021; its own parts); KBANN, with "
    "knowledge of the domain, about 93.7 (the set's own page, ten-fold on 1,000)",
    "Gun_Point": UCR.format("90.7", "100", "97"),
    "Trace": UCR.format("100", "100", "96"),
    "ECG200": UCR.format("77.0", "90.0", "88"),
    "Synthetic_control": UCR.format("99.3", "99.0", "86"),
    "trec": "CNN without pretrained vectors 88.2 (README of sent-conv-torch)",
    "subj": "CNN without pretrained vectors 89.2 (README of sent-conv-torch)",
    "mnist-rows": "none checked",
    "mnist-pixels": "recurrent, from memory: LSTM 98.9 to 99.0 with tricks (Zoneout, recurrent "
    "batch normalisation); the aim is 98.9",
    "mnist-permuted": "recurrent, from memory: LSTM 95.4 with the same; the aim is 92",
    "omniglot": "none for this split",
}
OF_LABEL_SETS = ("micro_f1", "macro_f1", "exact_match")
ALL = (*(task for task in PUBLISHED if task not in ("mnist-pixels", "mnist-permuted")),)


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
    if task == "names-several":
        return write(made, *divided(surnames_with_languages(find("names/by_language")), 5))
    if task == "domains":
        return write(made, *divided(dialogues(find("dialogues/sgd/train.jsonl")), 10))
    if task == "promoters":
        folder = find("genomes/promoters")
        rows = fasta(folder / "Ecoli_prom.fa", "promoter")
        return write(made, *divided(rows + fasta(folder / "Ecoli_non_prom.fa", "other"), 5))
    if task == "splice":
        return write(made, *divided(splice(find("genomes/splice/splice.data")), 5))
    if task == "omniglot":
        return drawings(find("handwriting/omniglot"), made)
    if task == "trec":
        folder = find(f"{FOLDER}/sentence_sets")
        return write(made, labelled(folder / "TREC.train.all"), labelled(folder / "TREC.test.all"))
    if task == "subj":
        return write(made, *divided(labelled(find(f"{FOLDER}/sentence_sets/subj.all")), 10))
    if task.startswith("mnist"):
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


def surnames_with_languages(folder: Path) -> list[Row]:
    """Each name once, with the languages in which it stands."""
    languages: dict[str, list[str]] = {}
    for name, language in surnames(folder):
        languages.setdefault(name, []).append(language)
    return [(name, SEPARATOR.join(found)) for name, found in languages.items()]


def dialogues(file: Path) -> list[Row]:
    """What the user says in each dialogue, and the kinds of service it is about."""
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        dialogue = json.loads(line)
        kinds = sorted({service.rpartition("_")[0] for service in dialogue["services"]})
        said = " ".join(text for speaker, text in dialogue["turns"] if speaker == "U")
        rows.append((said, SEPARATOR.join(kinds)))
    return rows


def fasta(file: Path, label: str) -> list[Row]:
    """The strings of a FASTA file, each once, so that none is in training and test."""
    records = file.read_text(encoding="utf-8").split(">")[1:]
    strings = {"".join(record.splitlines()[1:]).upper() for record in records}
    return [(string, label) for string in sorted(strings)]


def splice(file: Path) -> list[Row]:
    """Lines of class, name and string; a string that stands twice is kept once."""
    rows = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines() if line]
    return sorted({string.strip(): label.strip() for label, _, string in rows}.items())


def drawings(folder: Path, made: Path) -> tuple[Path, Path]:
    """Omniglot's drawings in a folder a character; those of the last five people are the test."""
    parts = made / "train", made / "test"
    for file in sorted(folder.glob("strokes_background_small*.zip")):
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.endswith(".txt") and "__MACOSX" not in name:
                    _, alphabet, character, drawing = name.split("/")
                    part = parts[int(drawing[5:7]) > 15]
                    kept = part / alphabet / character / drawing
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    kept.write_bytes(archive.read(name))
    return parts


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
    return SHARED | SETTINGS.get(task, SETTINGS["ucr"])


def train_and_judge(task: str, seed: int, threads: int, run: str) -> tuple[dict, float]:
    """The figures of a task's test, and the seconds that training took, since it was resumed."""
    train, test = files_of(task, Path(f"{run}-data"))
    arguments = ["train", "classification", *as_options(settings_of(task)), "--data", str(train)]
    arguments += ["--run", run, "--threads", str(threads), "--seed", str(seed)]
    if (Path(run) / "config.toml").is_file():  # It was begun, and perhaps stopped.
        arguments = ["resume", run, "--threads", str(threads)]
    started = time.time()
    call_ostinato(*arguments)
    seconds = time.time() - started
    return figures_of("evaluate", run, "--data", test), seconds


def row_of(task: str, seeds: int, threads: int, runs: Path) -> str:
    """A row of the table; the figures of each seed are printed as they come."""
    found, took = [], []
    for seed in range(seeds):
        run = str(runs / f"classification-{task}-{seed}")
        figures, seconds = train_and_judge(task, seed, threads, run)
        print(json.dumps({"task": task, "seed": seed, "test": figures, "seconds": round(seconds)}))
        found.append(figures)
        took.append(seconds)
    names = ["accuracy"] if "accuracy" in found[0] else list(OF_LABEL_SETS)
    told = ", ".join(told_of(name, found) for name in names)
    return f"| {task} | {PUBLISHED.get(task, '')} | {told} | {mean(took):.0f} s |"


def told_of(name: str, found: list[dict]) -> str:
    """A measure over all seeds; accuracy, which most tasks have, goes without its name."""
    figures = [each[name] for each in found]
    spread = f" ({min(figures):.1%} to {max(figures):.1%})" if len(figures) > 1 else ""
    said = "" if name == "accuracy" else name.replace("_", " ").replace("f1", "F1") + " "
    return f"{said}{mean(figures):.2%}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="+", help=f"all, {', '.join(PUBLISHED)}, another UCR set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="so many trainings of each, from 0")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the runs")
    options = parser.parse_args()
    tasks = ALL if options.tasks == ["all"] else options.tasks
    rows = [row_of(task, options.seeds, options.threads, options.runs) for task in tasks]
    print("| task | published | ours | training, each |\n|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
