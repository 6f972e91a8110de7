"""Tiny Shakespeare by characters: the first 90% to train on, the last 10% to validate.

A plain LSTM of 512 units reaches 1.476 nats per character; nanoGPT's small Transformer 1.4697.

    OSTINATO_DATA=... python recipes/tiny_shakespeare.py           (one core, 20 minutes)
    OSTINATO_DATA=... python recipes/tiny_shakespeare.py --gpu     (2 x 1024 units; not run yet)

Results, with times: recipes/README.md.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

CPU = {
    "updates": 4600,
    "hidden-size": 512,
    "window": 64,
    "batch-size": 32,
    "learning-rate": 3e-3,
    "schedule": "cosine",
    "warm-up": 100,
    "input-dropout": 0.1,
    "output-dropout": 0.2,
    "validate-every": 1150,
    "threads": 1,
}
GPU = {
    "updates": 6000,
    "layers": 2,
    "hidden-size": 1024,
    "window": 256,
    "batch-size": 64,
    "learning-rate": 2e-3,
    "schedule": "cosine",
    "warm-up": 200,
    "dropout": 0.4,
    "input-dropout": 0.2,
    "output-dropout": 0.4,
    "weight-decay": 0.05,
    "validate-every": 300,
    "device": "cuda",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="the larger variant, for a GPU")
    parser.add_argument("--run", default="runs/tiny-shakespeare")
    options = parser.parse_args()
    folder = os.environ.get("OSTINATO_DATA")
    text = Path(folder or "") / "language_modelling/tiny_shakespeare/input.txt"
    if folder is None or not text.is_file():
        sys.exit(
            "OSTINATO_DATA must name the folder that holds language_modelling/tiny_shakespeare"
        )
    settings = GPU if options.gpu else CPU
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "ostinato.cli", "train", "text", "--data", str(text)]
    sys.exit(subprocess.run([*command, "--run", options.run, *words], check=False).returncode)


if __name__ == "__main__":
    main()
