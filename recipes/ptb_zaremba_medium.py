"""Penn Treebank by words after Zaremba, Sutskever and Vinyals 2014, the medium network.

2 x 650 LSTM, dropout 0.5 on all connections that are not recurrent, 35 steps, batches of 20, SGD at
rate 1 that falls by 1.2 in each epoch after the sixth, gradient norm at most 5, 39 epochs.
Published: 82.7 test perplexity. Differences of ours: dropout on the input and output features is
locked over the steps, and weights start from -1 / sqrt(650) to 1 / sqrt(650) in place of -0.05 to
0.05. The schedule counts updates: 929,589 training tokens are 1,328 updates an epoch.

    OSTINATO_DATA=... python recipes/ptb_zaremba_medium.py

Not run yet: it needs a GPU, or about a day on two cores.
"""

import os
import subprocess
import sys
from pathlib import Path

UPDATES_PER_EPOCH = 1328
SETTINGS = {
    "tokens": "words",
    "layers": 2,
    "hidden-size": 650,
    "window": 35,
    "batch-size": 20,
    "epochs": 39,
    "dropout": 0.5,
    "input-dropout": 0.5,
    "output-dropout": 0.5,
    "optimiser": "sgd",
    "learning-rate": 1.0,
    "schedule": "step",
    "step-start": 6 * UPDATES_PER_EPOCH,
    "step-size": UPDATES_PER_EPOCH,
    "decay": round(1 / 1.2, 6),
    "clip-norm": 5.0,
    "validate-every": UPDATES_PER_EPOCH,
    "run": "runs/ptb-zaremba-medium",
}


def main() -> None:
    folder = os.environ.get("OSTINATO_DATA")
    texts = Path(folder or "") / "language_modelling/ptb_word"
    if folder is None or not texts.is_dir():
        sys.exit("OSTINATO_DATA must name the folder that holds language_modelling/ptb_word")
    command = [sys.executable, "-m", "ostinato.cli"]
    parts = {"data": "train", "valid": "valid", "test": "test"}
    files = {name: str(texts / f"ptb.{part}.txt") for name, part in parts.items()}
    settings = {**files, **SETTINGS}
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    subprocess.run([*command, "train", "text", *words], check=True)
    subprocess.run([*command, "evaluate", SETTINGS["run"], "--part", "test"], check=True)


if __name__ == "__main__":
    main()
