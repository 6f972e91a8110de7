"""Parity: is the number of ones so far odd? Trained on up to 40 bits, tested on 500.

No window of fixed size can do this, a state of one bit can. There is no single published number;
a network that learnt the state machine makes no error at any length.

    python recipes/parity.py

Results, with times: recipes/README.md.
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


def train(model: Parity, updates: int, longest: int) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for update in range(updates):
        bits = torch.randint(2, (64, int(torch.randint(2, longest + 1, ()))))
        loss = F.binary_cross_entropy_with_logits(model(bits), parity(bits).float())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if update % 250 == 0:
            print(f"update {update}: {loss.item():.4f} nats a bit", flush=True)


@torch.no_grad()
def accuracy(model: Parity, length: int, samples: int = 1000) -> float:
    """Share of sequences whose last answer is right."""
    bits = torch.randint(2, (samples, length))
    answers = (model(bits)[:, -1] > 0).long()
    return (answers == parity(bits)[:, -1]).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--longest", type=int, default=40, help="bits in training")
    parser.add_argument("--test-length", type=int, default=500)
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    started = time.time()
    model = Parity(options.hidden_size)
    train(model, options.updates, options.longest)
    result = {
        "accuracy_in_training_range": accuracy(model, options.longest),
        "accuracy": accuracy(model, options.test_length),
        "test_length": options.test_length,
        "seconds": round(time.time() - started, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
