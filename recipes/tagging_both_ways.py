"""A label for every word, read one way and both ways: CoNLL-2000 chunks and UD English EWT tags.

What a word is depends on what follows it as much as on what came before, so a network that reads a
sentence from both ends knows more at each word than one that reads it from the start (Schuster and
Paliwal 1997). Here the two differ in nothing else: the same words and characters, the same
conditional random field, the same 200 features a word from the recurrent layer (200 units one way,
or 100 each way, which has fewer weights). No pretrained vectors, no other columns of the files.

    OSTINATO_DATA=FOLDER python recipes/tagging_both_ways.py chunks
    OSTINATO_DATA=FOLDER python recipes/tagging_both_ways.py chunks --one-way
    OSTINATO_DATA=FOLDER python recipes/tagging_both_ways.py tags
    OSTINATO_DATA=FOLDER python recipes/tagging_both_ways.py tags --one-way

Chunks: CoNLL-2000, a tenth of the training sentences kept for validation, F1 of the test's 2,012
sentences as the shared task's script counts it. Published: 94.46 (Huang 2015, BI-LSTM-CRF, with
Senna's vectors, spelling and context features). Tags: the 17 universal parts of speech of UD
English EWT, validated on its dev sentences, accuracy on its test.

Ours: see recipes/README.md.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from commands import call_ostinato, figures_of

FOLDER = "tagging"
CORPORA = {
    "chunks": {"data": "conll2000/train.txt", "format": "columns"},
    "tags": {
        "data": "ud_english_ewt/en_ewt-ud-train.conllu",
        "valid": "ud_english_ewt/en_ewt-ud-dev.conllu",
    },
}
TESTS = {"chunks": "conll2000/test.txt", "tags": "ud_english_ewt/en_ewt-ud-test.conllu"}
SETTINGS = {
    "epochs": 15,
    "learning-rate": 4e-3,
    "schedule": "cosine",
    "final-rate": 0.05,
    "output": "crf",
    "characters": "recurrent",
}
BOTH_WAYS = ["--bidirectional", "--hidden-size", "100"]
ONE_WAY = ["--no-bidirectional", "--hidden-size", "200"]


def find_file(name: str) -> Path:
    """A file under $OSTINATO_DATA; ends with a reason where it is not there."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {FOLDER}/{name}")
    file = Path(folder) / FOLDER / name
    if not file.is_file():
        sys.exit(f"skipped: there is no {file}")
    return file


def options_of(corpus: str) -> list[str]:
    """Files and settings as the command line takes them."""
    files = {
        name: value if name == "format" else find_file(value)
        for name, value in CORPORA[corpus].items()
    }
    return [
        word for name, value in (files | SETTINGS).items() for word in (f"--{name}", str(value))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=sorted(CORPORA))
    parser.add_argument("--one-way", action="store_true", help="read from the first word on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run")
    options = parser.parse_args()
    ways = "one-way" if options.one_way else "both-ways"
    run = options.run or f"runs/tagging-{options.corpus}-{ways}"
    arguments = [*options_of(options.corpus), *(ONE_WAY if options.one_way else BOTH_WAYS)]
    arguments += ["--run", run, "--threads", str(options.threads), "--seed", str(options.seed)]
    started = time.time()
    call_ostinato("train", "tagging", *arguments)
    seconds = round(time.time() - started, 1)
    figures = figures_of("evaluate", run, "--data", find_file(TESTS[options.corpus]))
    print(json.dumps({"test": figures, "training_seconds": seconds}))


if __name__ == "__main__":
    main()
