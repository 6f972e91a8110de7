"""Our training loop beside a bare torch loop that does the same updates.

Alternates the two in one process, warm, threads fixed, and prints the ratio of the fastest and the
median of pairs (ours / bare; 1.00 is as fast, above is slower), and characters a second.

    python benchmarks/training_loop.py [--hidden-size 256] [--threads 1]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato
from ostinato.data.window import Window
from ostinato.training import (
    Clipping,
    Journal,
    Optimisation,
    Schedule,
    ThroughTime,
    Trainer,
    TrainingPlan,
)

VOCABULARY, BATCH, WINDOW = 65, 32, 64


class Windows:
    """An endless text of random tokens, made before the clock starts."""

    def __init__(self, updates: int) -> None:
        self.tokens = torch.randint(VOCABULARY, (BATCH, updates * WINDOW + 1))
        self.counted = torch.ones(BATCH, WINDOW, dtype=torch.bool)

    def __len__(self) -> int:
        return (self.tokens.shape[1] - 1) // WINDOW

    def __getitem__(self, index: int) -> Window:
        start = index * WINDOW
        inputs = self.tokens[:, start : start + WINDOW]
        targets = self.tokens[:, start + 1 : start + WINDOW + 1]
        units = BATCH * WINDOW
        return Window(inputs, targets, self.counted, None, WINDOW, index == 0, "random", units)


class Bare(nn.Module):
    """The same network in plain torch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, size)
        self.recurrent = nn.LSTM(size, size, batch_first=True)
        self.output = nn.Linear(size, VOCABULARY)

    def forward(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple:
        outputs, state = self.recurrent(self.embedding(tokens), state)
        return self.output(outputs), state


def bare_seconds(size: int, windows: Windows) -> float:
    model, state = Bare(size), None
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    started = time.perf_counter()
    for index in range(len(windows)):
        window = windows[index]
        logits, state = model(window.inputs, state)
        state = tuple(part.detach() for part in state)
        loss = F.cross_entropy(logits.flatten(0, 1), window.targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss.item()
    return time.perf_counter() - started


def our_seconds(size: int, windows: Windows) -> float:
    model = ostinato.LanguageModel(VOCABULARY, size, ostinato.LSTM(size, size))
    updates = len(windows)
    plan = TrainingPlan(updates, updates, updates, clipping=Clipping(norm=1.0))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    optimisation = Optimisation(optimiser, Schedule("constant", updates))
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.save = lambda *_, **__: Path(folder)  # the checkpoint at the end is not the loop
        trainer = Trainer(ThroughTime(model), lambda _: windows, plan, optimisation, journal)
        started = time.perf_counter()
        trainer.run()
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    windows = Windows(options.updates)
    bare_seconds(options.hidden_size, windows)
    our_seconds(options.hidden_size, windows)
    pairs = []
    for _ in range(options.rounds):
        bare = bare_seconds(options.hidden_size, windows)
        pairs.append((our_seconds(options.hidden_size, windows), bare))
    ours, bare = (min(column) for column in zip(*pairs, strict=True))
    characters = options.updates * BATCH * WINDOW
    median = statistics.median(one / other for one, other in pairs)
    print(
        f"LSTM {options.hidden_size}, batch {BATCH}, window {WINDOW}, {options.threads} thread(s)"
    )
    print(f"ours {characters / ours:,.0f} characters/s, bare {characters / bare:,.0f}")
    print(f"ratio ours / bare: fastest {ours / bare:.3f}, median of pairs {median:.3f}")


if __name__ == "__main__":
    main()
