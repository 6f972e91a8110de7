"""The embedded Reber grammar: remember the second symbol until the last but one.

A Reber string (a random walk through a small automaton) stands between two equal symbols, T or P.
To predict the last but one, the second must be remembered. Hochreiter and Schmidhuber 1997 train
online until every symbol that can follow is predicted for all of 256 training and 256 test
strings; their LSTM needs 8,440 sequences on average.

    python recipes/reber_grammar.py --seeds 10

Results, with times: recipes/README.md.
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
# For each state the symbols that can come and the states they lead to.
AUTOMATON = [
    {"T": 1, "P": 2},
    {"S": 1, "X": 3},
    {"T": 2, "V": 4},
    {"X": 2, "S": 5},
    {"P": 3, "V": 5},
]


def reber_string(chance: random.Random) -> tuple[str, list[str]]:
    """A Reber string, and for each of its symbols those that can follow."""
    string, following, state = "B", ["TP"], 0
    while state != 5:
        symbol = chance.choice(sorted(AUTOMATON[state]))
        state = AUTOMATON[state][symbol]
        string += symbol
        following.append("".join(sorted(AUTOMATON[state])) if state != 5 else "E")
    return string + "E", following


def embedded_string(chance: random.Random) -> tuple[str, list[str]]:
    """An embedded Reber string, and for each symbol but the last those that can follow."""
    inner, following = reber_string(chance)
    arm = chance.choice("TP")
    return f"B{arm}{inner}{arm}E", ["TP", "B", *following, arm, "E"]


def encode(string: str) -> Tensor:
    return F.one_hot(torch.tensor([SYMBOLS.index(s) for s in string]), len(SYMBOLS)).float()


class Predictor(nn.Module):
    """An LSTM that gives a score to every symbol that could follow."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = ostinato.LSTM(len(SYMBOLS), hidden_size)
        self.output = nn.Linear(hidden_size, len(SYMBOLS))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.output(self.recurrent(inputs.unsqueeze(0))[0])[0]


def is_right(model: Predictor, string: str, following: list[str]) -> bool:
    """Whether at every step the symbols that can follow have the highest scores."""
    scores = model(encode(string[:-1]))
    for row, symbols in zip(scores, following, strict=True):
        highest = row.topk(len(symbols)).indices.tolist()
        if {SYMBOLS[index] for index in highest} != set(symbols):
            return False
    return True


@torch.no_grad()
def succeeds(model: Predictor, strings: list[tuple[str, list[str]]]) -> bool:
    return all(is_right(model, *string) for string in strings)


def sequences_to_success(seed: int, most: int, hidden_size: int) -> int | None:
    """Training sequences until all of 512 strings are right; None where `most` did not do."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    training = [embedded_string(chance) for _ in range(256)]
    test = [embedded_string(chance) for _ in range(256)]
    model = Predictor(hidden_size)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for count in range(1, most + 1):
        string, _ = chance.choice(training)
        inputs = encode(string)
        loss = F.cross_entropy(model(inputs[:-1]), inputs[1:].argmax(1))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if count % 100 == 0 and succeeds(model, test) and succeeds(model, training):
            return count
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--most", type=int, default=20_000, help="sequences before giving up")
    parser.add_argument("--hidden-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started, counts = time.time(), []
    for seed in range(options.seeds):
        counts.append(sequences_to_success(seed, options.most, options.hidden_size))
        print(f"seed {seed}: {counts[-1]} sequences", flush=True)
    reached = [count for count in counts if count is not None]
    result = {
        "successful": len(reached),
        "seeds": options.seeds,
        "mean_sequences": statistics.mean(reached) if reached else None,
        "seconds": round(time.time() - started, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
