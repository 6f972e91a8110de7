"""Temporal order with gradient clipping: in which order came two marked symbols, long ago?

Among distractors stand two symbols, each X or Y, one between a tenth and two tenths of the
sequence, one between four and five tenths; the class, asked for after the last step, is one of the
four orders (Hochreiter and Schmidhuber 1997, task 6a, with the places of Pascanu 2013). A plain
recurrent network (tanh) is trained with the norm of its gradient clipped.

Published: solved, 0 errors in 10,000 new sequences (Pascanu, Mikolov and Bengio 2013, who also add
a regulariser that keeps gradients from vanishing). Differences of ours: Adam in place of plain SGD,
recurrent weights that start orthogonal, no regulariser, one length in place of 50 to 200.

    python recipes/temporal_order.py --length 50
    python recipes/temporal_order.py --length 100

Ours: see recipes/README.md.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato

DISTRACTORS, X, SYMBOLS = 4, 4, 6


class Order(nn.Module):
    """A plain recurrent network that names the class after the last step."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = ostinato.RNN(SYMBOLS, hidden_size, initialisation="orthogonal")
        self.output = nn.Linear(hidden_size, 4)

    def forward(self, symbols: Tensor) -> Tensor:
        outputs, _ = self.recurrent(F.one_hot(symbols, SYMBOLS).float())
        return self.output(outputs[:, -1])


def draw(samples: int, length: int) -> tuple[Tensor, Tensor]:
    """Sequences (samples, length) of symbols and their classes (samples,)."""
    symbols = torch.randint(DISTRACTORS, (samples, length))
    rows, kinds = torch.arange(samples), torch.randint(2, (samples, 2))
    for column, (first, last) in enumerate(((0.1, 0.2), (0.4, 0.5))):
        places = torch.randint(int(first * length), int(last * length) + 1, (samples,))
        symbols[rows, places] = X + kinds[:, column]
    return symbols, 2 * kinds[:, 0] + kinds[:, 1]


def train(
    model: Order, updates: int, length: int, clip_norm: float, learning_rate: float = 1e-3
) -> float:
    """Train on new sequences at every update; the share of updates whose gradient was clipped."""
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    clipped = 0
    for update in range(1, updates + 1):
        symbols, classes = draw(64, length)
        loss = F.cross_entropy(model(symbols), classes)
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        clipped += norm.item() > clip_norm
        optimiser.step()
        if update % 500 == 0:
            print(f"update {update}: {loss.item():.5f} nats", flush=True)
    return clipped / updates


@torch.no_grad()
def errors(model: Order, length: int, samples: int = 10_000) -> int:
    """Wrong answers among so many new sequences."""
    symbols, classes = draw(samples, length)
    return int((model(symbols).argmax(1) != classes).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=4000)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--clip-norm", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    started = time.time()
    model = Order(options.hidden_size)
    clipped = train(
        model, options.updates, options.length, options.clip_norm, options.learning_rate
    )
    result = {
        "length": options.length,
        "errors_in_10000": errors(model, options.length),
        "updates": options.updates,
        "clipped_share": round(clipped, 4),
        "seconds": round(time.time() - started, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
