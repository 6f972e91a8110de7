"""Tiny Shakespeare by characters with a small Transformer, beside the recurrent recipe's LSTM.

Four blocks of 128 units and 4 heads see 128 characters; 2,000 updates of 16 x 128 characters are
4.1 passes. The sizes are meant for about ten minutes on one idle core, which was not seen yet. What
is reported is the run's best validation, over the whole last 10% of the text; each character there
has seen between 64 and 127 others (from a full context the last half goes on).

To compare with: nanoGPT's smallest setting for a processor (4 blocks, 4 heads, 128 units, sees 64
characters, 2,000 updates of 12 windows) 1.88, its small Transformer on a GPU 1.4697 (its README);
this project's LSTM, see recipes/README.md.

    OSTINATO_DATA=FOLDER python recipes/tiny_shakespeare_transformer.py
    OSTINATO_DATA=FOLDER python recipes/tiny_shakespeare_transformer.py --gpu    (6 x 384 units)

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
SHARED = {
    "model": "transformer",
    "activation": "gelu",
    "schedule": "cosine",
    "validation-fraction": 0.1,
}
CPU = SHARED | {
    "updates": 2000,
    "hidden-size": 128,
    "layers": 4,
    "heads": 4,
    "window": 128,
    "batch-size": 16,
    "learning-rate": 2e-3,
    "warm-up": 100,
    "final-rate": 0.05,
    "validate-every": 500,
}
# The size of nanoGPT's recipe for a GPU.
GPU = SHARED | {
    "updates": 5000,
    "hidden-size": 384,
    "layers": 6,
    "heads": 6,
    "window": 256,
    "batch-size": 64,
    "learning-rate": 1e-3,
    "warm-up": 100,
    "final-rate": 0.1,
    "weight-decay": 0.1,
    "dropout": 0.2,
    "validate-every": 250,
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
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", default="runs/tiny-shakespeare-transformer")
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
