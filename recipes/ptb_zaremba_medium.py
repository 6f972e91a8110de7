"""Penn Treebank by words: the medium network of Zaremba, Sutskever and Vinyals 2014.

2 x 650 LSTM, dropout 0.5 on all connections that are not recurrent, windows of 35 steps with the
state carried, batches of 20, SGD at rate 1 that is divided by 1.2 after each epoch from the sixth
on, gradient norm at most 5, 39 epochs, weights drawn from -0.05 to 0.05. 10,000 words, the end of a
line among them.

Their loss is summed over the 35 steps of a window, ours is the mean: a gradient 35 times smaller.
The same updates need 35 times the rate and a 35th of the norm, and so it is set here. Two
differences are left: dropout on the embedded words and on the output features drops the same
features at all steps of a window, and weights start as the layers draw them. The published figure
is therefore a mark to compare with, no promise.

Published: 82.7 test perplexity (Zaremba 2014, Table 1, medium regularized LSTM).

    OSTINATO_DATA=FOLDER python recipes/ptb_zaremba_medium.py

Ours: not run yet; it needs a GPU, or about a day on two cores.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from commands import as_options, call_ostinato, figures_of

TEXTS = "language_modelling/ptb_word"
PARTS = {"data": "ptb.train.txt", "valid": "ptb.valid.txt", "test": "ptb.test.txt"}
WINDOW = 35
# 929,589 tokens of training text, in 20 streams, 35 steps at a time.
UPDATES_PER_EPOCH = 1328
EPOCHS = 39
SETTINGS = {
    "tokens": "words",
    "layers": 2,
    "hidden-size": 650,
    "window": WINDOW,
    "batch-size": 20,
    "updates": EPOCHS * UPDATES_PER_EPOCH,
    "dropout": 0.5,
    "input-dropout": 0.5,
    "output-dropout": 0.5,
    "optimiser": "sgd",
    "learning-rate": 1.0 * WINDOW,
    "clip-norm": round(5 / WINDOW, 6),
    "schedule": "step",
    "step-start": 6 * UPDATES_PER_EPOCH,
    "step-size": UPDATES_PER_EPOCH,
    "decay": round(1 / 1.2, 6),
    "validate-every": UPDATES_PER_EPOCH,
}


def find_texts() -> dict[str, Path]:
    """The three texts under $OSTINATO_DATA; ends with a reason where they are not there."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {TEXTS}")
    texts = {option: Path(folder) / TEXTS / name for option, name in PARTS.items()}
    missing = [str(text) for text in texts.values() if not text.is_file()]
    if missing:
        sys.exit(f"skipped: there is no {', '.join(missing)}")
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", default="runs/ptb-zaremba-medium")
    options = parser.parse_args()
    settings = find_texts() | SETTINGS
    settings |= {"device": options.device, "seed": options.seed, "run": options.run}
    started = time.time()
    call_ostinato("train", "text", *as_options(settings))
    seconds = round(time.time() - started, 1)
    figures = figures_of("evaluate", options.run, "--part", "test")
    print(json.dumps({"test": figures, "training_seconds": seconds}))


if __name__ == "__main__":
    main()
