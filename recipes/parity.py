"""Parity: is the number of ones so far odd? Trained on up to 40 bits, tested on 500.

No window of fixed size can answer this, a state of one bit can. A network that has learnt that
state machine, and not the lengths it was shown, makes no error at any length. The answer is asked
for after every bit in training; a test sequence counts as right by its last answer.

Published: no single number; a recurrent network can do it without an error at any length (see
Bengio, Simard and Frasconi 1994 for the task, and for how hard it is to learn from the last answer
alone).

    python recipes/parity.py

Ours: see recipes/README.md.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato


class Parity(nn.Module):
    """An LSTM that says after every bit whether the ones so far are odd."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = ostinato.LSTM(1, hidden_size)
        self.output = nn.Linear(hidden_size, 1)

    def forward(self, bits: Tensor) -> Tensor:
        outputs, _ = self.recurrent(bits.float().unsqueeze(2))
        return self.output(outputs).squeeze(2)


def parity(bits: Tensor) -> Tensor:
    """For each step of bits (batch, time), 1 where the ones so far are odd."""
    return bits.cumsum(1) % 2


def train(model: Parity, updates: int, longest: int, learning_rate: float = 1e-2) -> None:
    """Each update sees 64 sequences of one length, drawn from 2 to `longest`."""
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for update in range(1, updates + 1):
        bits = torch.randint(2, (64, int(torch.randint(2, longest + 1, ()))))
        loss = F.binary_cross_entropy_with_logits(model(bits), parity(bits).float())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if update % 500 == 0:
            print(f"update {update}: {loss.item():.5f} nats a bit", flush=True)


@torch.no_grad()
def accuracy(model: Parity, length: int, samples: int = 1000) -> float:
    """Share of new sequences whose last answer is right."""
    bits = torch.randint(2, (samples, length))
    answers = (model(bits)[:, -1] > 0).long()
    return (answers == parity(bits)[:, -1]).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--longest", type=int, default=40, help="bits in training")
    parser.add_argument("--test-length", type=int, default=500)
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started, accuracies = time.time(), []
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        model = Parity(options.hidden_size)
        train(model, options.updates, options.longest, options.learning_rate)
        accuracies.append(accuracy(model, options.test_length))
        print(f"seed {seed}: accuracy {accuracies[-1]} at {options.test_length} bits", flush=True)
    result = {
        "test_length": options.test_length,
        "seeds": options.seeds,
        "mean_accuracy": sum(accuracies) / len(accuracies),
        "lowest_accuracy": min(accuracies),
        "seconds": round(time.time() - started, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
