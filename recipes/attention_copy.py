"""Reversing, copying, sorting: six score functions on tasks that are little but looking.

A source of 3 to 10 symbols out of 20 is to be written from its last symbol to its first (or as it
stands, or in rising order). The encoder reads both ways with 32 units, the decoder attends with its
state before each step (Bahdanau 2015) or after it (Luong 2015). Every update sees new sequences;
the share that is written without an error, decoded greedily, is measured on 1,000 others.

Published: none. A score function that cannot be learnt fails here, whatever the reason.

    python recipes/attention_copy.py
    python recipes/attention_copy.py --task copy --score location
    python recipes/attention_copy.py --shortest 20 --longest 40 --score additive --hidden-size 64 \\
        --updates 1000 --learning-rate 4e-3

Ours: see recipes/README.md.
"""

import argparse
import json
import time
from typing import Any

import torch
from torch import Tensor, nn

import ostinato
from ostinato.data import PairWindow, join_pairs
from ostinato.decoding import Sampling, generate
from ostinato.layers import MonotonicWindow, PredictiveWindow, build_score
from ostinato.layers.attention import SCORES

PAD, START, END, FIRST_SYMBOL, SYMBOLS = 0, 1, 2, 3, 20
TASKS = {"reverse": lambda source: source[::-1], "copy": list, "sort": sorted}


def make(
    score: str,
    *,
    decoder: str = "bahdanau",
    window: str = "global",
    hard: bool = False,
    size: int = 32,
) -> ostinato.SequenceToSequence:
    """An encoder and a decoder, all of one size, so that every score function fits."""
    vocabulary = FIRST_SYMBOL + SYMBOLS
    encoder = ostinato.RecurrentEncoder(
        vocabulary, size, ostinato.GRU(size, size // 2, bidirectional=True)
    )
    windows: dict[str, Any] = {
        "monotonic": MonotonicWindow(2),
        "predictive": PredictiveWindow(size, 3),
    }
    scoring = build_score(score, size, size, longest=100)
    attention = ostinato.Attention(scoring, window=windows.get(window), hard=hard)
    if decoder == "bahdanau":
        recurrent = ostinato.GRU(2 * size, size)
        written = ostinato.BahdanauDecoder(vocabulary, size, recurrent, attention, size)
    else:
        written = ostinato.LuongDecoder(vocabulary, size, ostinato.GRU(size, size), attention, size)
    return ostinato.SequenceToSequence(encoder, written)


def draw(samples: int, sizes: tuple[int, int], task: str) -> PairWindow:
    """New pairs as one batch, their fewest and most symbols given."""
    lengths = torch.randint(sizes[0], sizes[1] + 1, (samples,)).tolist()
    sources = [torch.randint(FIRST_SYMBOL, FIRST_SYMBOL + SYMBOLS, (n,)).tolist() for n in lengths]
    targets = [TASKS[task](source) for source in sources]
    return join_pairs(
        sources, targets, start_index=START, end_index=END, pad_index=PAD, where="drawn"
    )


def train(
    model: ostinato.SequenceToSequence,
    updates: int,
    sizes: tuple[int, int],
    task: str,
    batch_size: int = 64,
    learning_rate: float = 1e-2,
) -> None:
    """Adam at a rate that falls to 0 as a cosine."""
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for update in range(1, updates + 1):
        pairs = draw(batch_size, sizes, task)
        losses = model.loss(
            pairs.inputs, pairs.source_lengths, pairs.target_in, pairs.targets, pairs.target_lengths
        )
        loss = losses.sum() / pairs.units
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if update % 250 == 0:
            print(f"update {update}: {loss.item():.5f} nats a symbol", flush=True)


@torch.no_grad()
def exact(
    model: ostinato.SequenceToSequence, sizes: tuple[int, int], task: str, samples: int = 1000
) -> float:
    """Share of new sequences written without an error, the end included."""
    model.eval()
    pairs = draw(samples, sizes, task)
    written = write(model, pairs)
    model.train()
    right = (written == pairs.targets) | ~pairs.counted
    return right.all(1).double().mean().item()


def write(model: ostinato.SequenceToSequence, pairs: PairWindow) -> Tensor:
    """What the model writes, greedily, as many steps as the longest target has."""
    memory = model.encode(pairs.inputs, pairs.source_lengths)

    def next_step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return model.next_step(tokens, state, memory)

    steps = generate(
        next_step,
        model.initial_state(memory),
        pairs.target_in[:, 0],
        Sampling(temperature=0),
        length=pairs.targets.shape[1],
    )
    return torch.stack([tokens for tokens, _ in steps], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, default="reverse")
    parser.add_argument("--score", choices=SCORES, nargs="+", default=list(SCORES))
    parser.add_argument("--decoder", choices=("bahdanau", "luong"), default="bahdanau")
    parser.add_argument("--window", choices=("global", "monotonic", "predictive"), default="global")
    parser.add_argument("--hard", action="store_true", help="choose one position (REINFORCE)")
    parser.add_argument("--shortest", type=int, default=3)
    parser.add_argument("--longest", type=int, default=10)
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = options.shortest, options.longest
    for score in options.score:
        torch.manual_seed(options.seed)
        started, spent = time.time(), time.process_time()
        model = make(
            score,
            decoder=options.decoder,
            window=options.window,
            hard=options.hard,
            size=options.hidden_size,
        )
        train(model, options.updates, sizes, options.task, learning_rate=options.learning_rate)
        result = {
            "score": score,
            "task": options.task,
            "exact": exact(model, sizes, options.task),
            "updates": options.updates,
            "seconds": round(time.time() - started, 1),
            "processor_seconds": round(time.process_time() - spent, 1),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
