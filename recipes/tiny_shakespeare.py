"""Tiny Shakespeare by characters: the first 90% to train on, the last 10% to validate.

One LSTM layer of 512 units, dropout on what goes in and out of it, and a learning rate that falls
as a cosine: 4,600 updates of 32 x 64 characters are 9.4 passes. What is reported is the run's best
validation, exact over the whole 10% with the state carried.

To compare with: a plain LSTM of 512 units in a bare torch loop 1.476 nats per character (this
project's own measurement); nanoGPT's small Transformer 1.4697 (its README, on a GPU).

    OSTINATO_DATA=FOLDER python recipes/tiny_shakespeare.py
    OSTINATO_DATA=FOLDER python recipes/tiny_shakespeare.py --gpu    (2 x 1024 units; not run yet)

Ours: see recipes/README.md.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from commands import as_options, call_ostinato, figures_of

TEXT = "language_modelling/tiny_shakespeare/input.txt"
SHARED = {"schedule": "cosine", "validation-fraction": 0.1}
CPU = SHARED | {
    "updates": 4600,
    "hidden-size": 512,
    "window": 64,
    "batch-size": 32,
    "learning-rate": 3e-3,
    "warm-up": 100,
    "input-dropout": 0.1,
    "output-dropout": 0.2,
    "validate-every": 1150,
}
# Twice the depth and width learn the training text by heart: more dropout, at every place.
GPU = SHARED | {
    "updates": 6000,
    "layers": 2,
    "hidden-size": 1024,
    "window": 256,
    "batch-size": 64,
    "learning-rate": 2e-3,
    "warm-up": 200,
    "dropout": 0.4,
    "input-dropout": 0.2,
    "output-dropout": 0.4,
    "weight-decay": 0.05,
    "validate-every": 300,
    "device": "cuda",
}


def find_text() -> Path:
    """The text under $OSTINATO_DATA; ends with a reason where it is not there."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {TEXT}")
    text = Path(folder) / TEXT
    if not text.is_file():
        sys.exit(f"skipped: there is no {text}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="the larger variant, for a GPU")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", default="runs/tiny-shakespeare")
    options = parser.parse_args()
    settings = {"data": find_text(), "run": options.run, "seed": options.seed}
    settings |= {"threads": options.threads} | (GPU if options.gpu else CPU)
    started = time.time()
    call_ostinato("train", "text", *as_options(settings))
    seconds = round(time.time() - started, 1)
    figures = figures_of("evaluate", options.run)
    print(json.dumps({"validation": figures, "training_seconds": seconds}))


if __name__ == "__main__":
    main()
