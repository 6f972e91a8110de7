"""Our generation beside a naive torch loop that reads the whole text again for each token, and
beside one that carries the state of `torch.nn.LSTM`.

Alternates the three in one process, warm, threads fixed; prints tokens a second and ratios of the
fastest, and shows that our work a token does not grow with the text.

    python benchmarks/generation.py [--hidden-size 512] [--threads 1]
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

import ostinato
from ostinato.decoding import Sampling, generate

VOCABULARY = 65


def ours(model: ostinato.LanguageModel, length: int) -> None:
    first = torch.zeros(1, dtype=torch.long)
    state = model.initial_state(1)
    for _ in generate(model.prepared_step(state), state, first, Sampling(), length=length):
        pass


class Peer:
    """The same network in plain torch."""

    def __init__(self, size: int) -> None:
        self.embedding = nn.Embedding(VOCABULARY, size)
        self.recurrent = nn.LSTM(size, size, batch_first=True)
        self.output = nn.Linear(size, VOCABULARY)

    def reading_again(self, length: int) -> None:
        tokens = torch.zeros(1, 1, dtype=torch.long)
        for _ in range(length):
            outputs, _ = self.recurrent(self.embedding(tokens))
            chosen = torch.multinomial(self.output(outputs[:, -1]).softmax(-1), 1)
            tokens = torch.cat([tokens, chosen], 1)

    def carrying_state(self, length: int) -> None:
        token, state = torch.zeros(1, 1, dtype=torch.long), None
        for _ in range(length):
            outputs, state = self.recurrent(self.embedding(token), state)
            token = torch.multinomial(self.output(outputs[:, -1]).softmax(-1), 1)


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden-size", type=int, default=512)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, length = options.hidden_size, options.length
    layer = ostinato.LSTM(size, size)
    model, peer = ostinato.LanguageModel(VOCABULARY, size, layer).eval(), Peer(size)
    works = {
        "ours": lambda: ours(model, length),
        "nn.LSTM carrying its state": lambda: peer.carrying_state(length),
        "nn.LSTM reading all again": lambda: peer.reading_again(length),
        "ours, four times as long": lambda: ours(model, 4 * length),
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(options.rounds):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work))
    best["ours, four times as long"] /= 4
    for name, taken in best.items():
        ratio = taken / best["ours"]
        print(f"{name:28s} {length / taken:9,.0f} tokens/s   ours is {ratio:5.2f} times as fast")


if __name__ == "__main__":
    main()
