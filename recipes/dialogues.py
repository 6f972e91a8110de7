"""A small chatbot of the Schema-Guided Dialogue set: trained, and asked a few things.

    OSTINATO_DATA=FOLDER python recipes/dialogues.py --updates 1200

The folder holds dialogues/sgd/train.jsonl. No figure is published for free chat on it. Seen after
1,200 updates (227 s of processor time on one core): perplexity 12.3 a piece on half a percent of
the dialogues, kept back. The answers fit what was said, and know no facts: to the lines below came

    What time would you like to make a reservation?
    What time would you like the reservation for?
    Is there anything else I can help you with?
    Where are you looking for?

The second asks again for the time that it was just told.
"""

import argparse
import os
import sys
from pathlib import Path

from commands import as_options, call_ostinato

SETTINGS: dict[str, object] = {
    "history": 1,
    "vocabulary-size": 2000,
    "model": "transformer",
    "hidden-size": 128,
    "layers": 2,
    "longest": 80,
    "warm-up": 100,
    "schedule": "cosine",
    "learning-rate": 2e-3,
    "validation-fraction": 0.005,
    "validate-every": 150,
}
SAID = """I want to book a table for two in San Jose.
At 6 pm please.
Thanks, bye!
/reset
Can you find me a movie?
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--run", default="runs/dialogues")
    options = parser.parse_args()
    folder = os.environ.get("OSTINATO_DATA")
    if not folder:
        sys.exit("skipped: set OSTINATO_DATA to the folder that holds dialogues/sgd")
    data = Path(folder) / "dialogues" / "sgd" / "train.jsonl"
    given = SETTINGS | {"updates": options.updates, "threads": options.threads, "run": options.run}
    command = ["train", "translation", "--data", str(data), "--joint", "--tied"]
    call_ostinato(*command, *as_options(given))
    call_ostinato("chat", options.run, said=SAID)


if __name__ == "__main__":
    main()
