"""Text generation, one stream, token by token: ours beside loops by hand in plain torch.

Two layers of h=512, a vocabulary of 65, drawn from the softmax; both sides have the same weights,
and give the same probabilities of a fixed text before the clock starts. The peers carry the state
of `torch.nn.LSTM` or of two `torch.nn.LSTMCell`, or read the whole text again for each token. Four
times as many tokens take four times as long: our work a token does not grow with the text.

    python benchmarks/generation.py [--hidden-size 512] [--layers 2] [--threads 1] [--seconds 3]
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from peers.comparison import Case, check_agreement, compare_all, parser_of, settings_of
from peers.peak import multiply_adds
from torch import Tensor, nn

import ostinato
from ostinato.decoding import Sampling, generate
from ostinato.layers import load_torch_state_dict

VOCABULARY, LENGTH = 65, 100

NextStep = Callable[[Tensor, Any], tuple[Tensor, Any]]  # log-probabilities and state


def our_model(size: int, layers: int) -> ostinato.LanguageModel:
    recurrent = ostinato.LSTM(size, size, num_layers=layers)
    return ostinato.LanguageModel(VOCABULARY, size, recurrent).eval()


def ours(model: ostinato.LanguageModel, length: int) -> None:
    first, state = torch.zeros(1, dtype=torch.long), model.initial_state(1)
    for _ in generate(model.prepared_step(state), state, first, Sampling(), length=length):
        pass


class Peer:
    """The same network in plain torch."""

    def __init__(self, model: ostinato.LanguageModel, size: int, layers: int) -> None:
        self.embedding, self.output = model.embedding, model.output
        self.recurrent = nn.LSTM(size, size, layers, batch_first=True)
        self.cells = [nn.LSTMCell(size, size) for _ in range(layers)]
        load_torch_state_dict(model.recurrent, self.recurrent.state_dict())
        for own, cell in zip(self.cells, model.recurrent.cells, strict=True):
            own.load_state_dict(cell.state_dict())

    def layer_step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        outputs, state = self.recurrent(self.embedding(token).unsqueeze(1), state)
        return self.output(outputs[:, 0]).log_softmax(-1), state

    def cells_step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        features, following = self.embedding(token), []
        for cell, before in zip(self.cells, state or [None] * len(self.cells), strict=True):
            following.append(cell(features, before))
            features = following[-1][0]
        return self.output(features).log_softmax(-1), following

    def reading_again(self, token: Tensor, tokens: Any) -> tuple[Tensor, Any]:
        tokens = token.unsqueeze(1) if tokens is None else torch.cat([tokens, token[None]], 1)
        outputs, _ = self.recurrent(self.embedding(tokens))
        return self.output(outputs[:, -1]).log_softmax(-1), tokens


@torch.no_grad()
def written(step: NextStep, length: int) -> None:
    token, state = torch.zeros(1, dtype=torch.long), None
    for _ in range(length):
        log_probabilities, state = step(token, state)
        token = torch.multinomial(log_probabilities.exp(), 1)[0]


@torch.no_grad()
def read(step: NextStep, state: Any) -> Tensor:
    """The log-probabilities after each token of a fixed text."""
    found = []
    for token in range(20):
        log_probabilities, state = step(torch.tensor([token]), state)
        found.append(log_probabilities.clone())
    return torch.cat(found)


def against(size: int, layers: int, peer_name: str, aim: float | None) -> Case:
    model = our_model(size, layers)
    peer = Peer(model, size, layers)
    step: NextStep = getattr(peer, _STEPS[peer_name])
    start = model.initial_state(1)
    check_agreement(read(model.prepared_step(start), start), read(step, None), 1e-4)
    products = multiply_adds(model.recurrent, LENGTH, trained=False)
    products += model.output.weight.numel() * LENGTH
    return Case(
        f"{LENGTH} tokens, h={size} x {layers}",
        peer_name,
        lambda: ours(model, LENGTH),
        lambda: written(step, LENGTH),
        (aim, aim),
        products,
        tolerance=None,
    )


_STEPS = {
    "nn.LSTM": "layer_step",
    "nn.LSTMCell": "cells_step",
    "nn.LSTM reading again": "reading_again",
}


def four_times_as_long(size: int, layers: int) -> Case:
    model = our_model(size, layers)
    return Case(
        f"{LENGTH} tokens, h={size} x {layers}",
        "ours, four times so many",
        lambda: ours(model, LENGTH),
        lambda: ours(model, 4 * LENGTH),
        tolerance=None,
    )


def cases(size: int, layers: int) -> Iterator[Callable[[], Case]]:
    aims = {"nn.LSTM": 8.0, "nn.LSTMCell": 1.8, "nn.LSTM reading again": None}
    for peer_name, aim in aims.items():
        yield partial(against, size, layers, peer_name, aim)
    yield partial(four_times_as_long, size, layers)


def main() -> None:
    parser = parser_of(__doc__, seconds=3.0)
    parser.add_argument("--hidden-size", type=int, default=512)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    settings = settings_of(options)
    records = compare_all(cases(options.hidden_size, options.layers), settings, "generation")
    for record in records[:1]:
        print(f"ours writes {LENGTH / record.our_seconds:,.0f} tokens a second")
    for record in records[:3]:
        print(f"{record.peer} writes {LENGTH / record.peer_seconds:,.0f}")


if __name__ == "__main__":
    main()
