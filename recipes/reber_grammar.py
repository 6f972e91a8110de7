"""The embedded Reber grammar: remember the second symbol until the last but one.

A Reber string (a random walk through a small automaton) stands between two equal symbols, T or P.
To predict the last but one, the second must be remembered.

As published: 256 training strings, 256 others to test, weights updated after every string; success
is when the symbols that can follow are the most active outputs at every step of all 512 strings;
30 trials, 10 initial weights on each of 3 pairs of sets. Differences of ours: an LSTM with a forget
gate, 16 units (1,719 weights in place of 276), a softmax, and Adam; success is looked for after
every 100 strings, so that our counts are rounded up.

Published: 8,440 strings on average until success, 30 trials of 30 (Hochreiter and Schmidhuber 1997,
Table 1, last row).

    python recipes/reber_grammar.py

Ours: see recipes/README.md.
"""

import argparse
import json
import random
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato

SYMBOLS = "BTPSXVE"
# For each state the symbols that can come and the states they lead to; state 5 ends the string.
AUTOMATON = [
    {"T": 1, "P": 2},
    {"S": 1, "X": 3},
    {"T": 2, "V": 4},
    {"X": 2, "S": 5},
    {"P": 3, "V": 5},
]
STRINGS = 256
TRIALS_PER_PAIR = 10


def reber_string(chance: random.Random) -> tuple[str, list[str]]:
    """A Reber string, and for each of its symbols but the last those that can follow."""
    string, following, state = "B", ["TP"], 0
    while state != 5:
        symbol = chance.choice(sorted(AUTOMATON[state]))
        state = AUTOMATON[state][symbol]
        string += symbol
        following.append("".join(AUTOMATON[state]) if state != 5 else "E")
    return string + "E", following


def embedded_string(chance: random.Random) -> tuple[str, list[str]]:
    """An embedded Reber string, and for each symbol but the last those that can follow."""
    inner, following = reber_string(chance)
    arm = chance.choice("TP")
    return f"B{arm}{inner}{arm}E", ["TP", "B", *following, arm, "E"]


def draw_sets(chance: random.Random) -> tuple[list[tuple], list[tuple]]:
    """256 strings to train on and 256 to test that are not among them."""
    training = [embedded_string(chance) for _ in range(STRINGS)]
    seen = {string for string, _ in training}
    test: list[tuple] = []
    while len(test) < STRINGS:
        string, following = embedded_string(chance)
        if string not in seen:
            test.append((string, following))
    return training, test


def encode(string: str) -> Tensor:
    """One-hot symbols (1, time, 7)."""
    indices = torch.tensor([[SYMBOLS.index(symbol) for symbol in string]])
    return F.one_hot(indices, len(SYMBOLS)).float()


class Predictor(nn.Module):
    """An LSTM that gives a score to every symbol that could follow."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = ostinato.LSTM(len(SYMBOLS), hidden_size)
        self.output = nn.Linear(hidden_size, len(SYMBOLS))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs, _ = self.recurrent(inputs)
        return self.output(outputs)


def learn(model: Predictor, optimiser: torch.optim.Optimizer, string: str) -> None:
    """One update, from one string."""
    inputs = encode(string)
    scores = model(inputs[:, :-1])
    loss = F.cross_entropy(scores[0], inputs[0, 1:].argmax(1))
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def is_right(model: Predictor, string: str, following: list[str]) -> bool:
    """Whether at every step the symbols that can follow have the highest scores."""
    scores = model(encode(string[:-1]))[0]
    for row, symbols in zip(scores, following, strict=True):
        highest = row.topk(len(symbols)).indices.tolist()
        if {SYMBOLS[index] for index in highest} != set(symbols):
            return False
    return True


@torch.no_grad()
def succeeds(model: Predictor, strings: list[tuple]) -> bool:
    """Whether all strings are right at every step."""
    return all(is_right(model, string, following) for string, following in strings)


def strings_to_success(trial: int, most: int, hidden_size: int, learning_rate: float) -> int | None:
    """Strings trained on until all of 512 are right; None where `most` were not enough."""
    training, test = draw_sets(random.Random(trial // TRIALS_PER_PAIR))
    chance = random.Random(f"order {trial}")
    torch.manual_seed(trial)
    model = Predictor(hidden_size)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for count in range(1, most + 1):
        learn(model, optimiser, chance.choice(training)[0])
        if count % 100 == 0 and succeeds(model, test) and succeeds(model, training):
            return count
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--most", type=int, default=30_000, help="strings before giving up")
    parser.add_argument("--hidden-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started, counts = time.time(), []
    for trial in range(options.trials):
        counts.append(
            strings_to_success(trial, options.most, options.hidden_size, options.learning_rate)
        )
        print(f"trial {trial}: {counts[-1]} strings", flush=True)
    reached = [count for count in counts if count is not None]
    result = {
        "trials": options.trials,
        "successful": len(reached),
        "mean_strings": round(statistics.mean(reached)) if reached else None,
        "fewest": min(reached, default=None),
        "most": max(reached, default=None),
        "seconds": round(time.time() - started, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
