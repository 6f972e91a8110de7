"""Translators in plain torch, as one writes them: `nn.LSTM` with and without Luong's attention, and
`nn.Transformer`, which reads all that it wrote again for each token.

Sizes are those of ours; weights are its own. Tokens are (batch, time), sentences of one length.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]  # each (rows, ...)


class TorchTranslator(nn.Module):
    """What all share; a subclass encodes, reads whole targets, and reads one token on."""

    def __init__(self, vocabulary: int, embedding: int, features: int) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(vocabulary, embedding)
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.output = nn.Linear(features, vocabulary)

    def encode(self, source: Tensor) -> State:
        """All that belongs to a row before its first token."""
        raise NotImplementedError

    def read(self, target: Tensor, state: State) -> Tensor:
        """Features (batch, time, ...) of every step of given targets."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Features (rows, ...) after one token more, and the state."""
        raise NotImplementedError

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        logits = self.output(self.read(target[:, :-1], self.encode(source)))
        return nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())

    @torch.no_grad()
    def write(self, source: Tensor, length: int, beam_size: int) -> Tensor:
        """The likeliest tokens (batch, length) that a beam of fixed length finds."""
        batch = len(source)
        state = tuple(part.repeat_interleave(beam_size, 0) for part in self.encode(source))
        tokens = source.new_zeros(batch * beam_size)
        written = tokens.unsqueeze(1)
        scores = torch.full((batch, beam_size), -math.inf)
        scores[:, 0] = 0.0
        first = torch.arange(batch).unsqueeze(1) * beam_size
        for _ in range(length):
            features, state = self.step(tokens, state)
            likely = self.output(features).log_softmax(-1)
            vocabulary = likely.shape[1]
            total = (scores.view(-1, 1) + likely).view(batch, -1)
            scores, places = total.topk(beam_size, 1)
            parents = (first + places // vocabulary).flatten()
            tokens = (places % vocabulary).flatten()
            if beam_size > 1:
                state = tuple(part[parents] for part in state)
                written = written[parents]
            written = torch.cat([written, tokens.unsqueeze(1)], 1)
        return written.view(batch, beam_size, -1)[:, 0, 1:]


class TorchPlain(TorchTranslator):
    """Sutskever 2014: the decoder knows the source by the encoder's last state."""

    def __init__(self, vocabulary: int, embedding: int, size: int) -> None:
        super().__init__(vocabulary, embedding, size)
        self.encoder = nn.LSTM(embedding, size, batch_first=True)
        self.decoder = nn.LSTM(embedding, size, batch_first=True)

    def encode(self, source: Tensor) -> State:
        _, state = self.encoder(self.source_embedding(source))
        return tuple(part[0] for part in state)

    def read(self, target: Tensor, state: State) -> Tensor:
        given = tuple(part.unsqueeze(0) for part in state)
        return self.decoder(self.embedding(target), given)[0]

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        after = lstm_step(self.decoder, self.embedding(tokens), state)
        return after[0], after


class TorchAttention(TorchTranslator):
    """Luong 2015, general scores, without input feeding; the encoder reads both ways."""

    def __init__(self, vocabulary: int, embedding: int, size: int) -> None:
        super().__init__(vocabulary, embedding, size)
        self.encoder = nn.LSTM(embedding, size // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.ModuleList(nn.Linear(size, size) for _ in range(2))
        self.decoder = nn.LSTM(embedding, size, batch_first=True)
        self.keys = nn.Linear(size, size, bias=False)
        self.combine = nn.Linear(2 * size, size, bias=False)

    def encode(self, source: Tensor) -> State:
        values, finals = self.encoder(self.source_embedding(source))
        both = [torch.cat([part[0], part[1]], 1) for part in finals]
        state = [torch.tanh(way(part)) for way, part in zip(self.bridge, both, strict=True)]
        return *state, self.keys(values), values

    def read(self, target: Tensor, state: State) -> Tensor:
        given = tuple(part.unsqueeze(0) for part in state[:2])
        return self._attend(self.decoder(self.embedding(target), given)[0], *state[2:])

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        after = lstm_step(self.decoder, self.embedding(tokens), state[:2])
        seen = self._attend(after[0].unsqueeze(1), *state[2:])
        return seen.squeeze(1), (*after, *state[2:])

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        context = torch.bmm(queries, keys.transpose(1, 2)).softmax(-1) @ values
        return torch.tanh(self.combine(torch.cat([context, queries], -1)))


class TorchTransformer(TorchTranslator):
    """Vaswani 2017, by `nn.Transformer`, norms before; decoding reads the prefix again."""

    def __init__(self, vocabulary: int, size: int, heads: int, layers: int) -> None:
        super().__init__(vocabulary, size, size)
        self.transformer = nn.Transformer(
            size, heads, layers, layers, 4 * size, 0.0, batch_first=True, norm_first=True
        )

    def encode(self, source: Tensor) -> State:
        read = self.transformer.encoder(self._placed(self.source_embedding(source)))
        return read, source.new_zeros(len(source), 0)

    def read(self, target: Tensor, state: State) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        placed = self._placed(self.embedding(target))
        return self.transformer.decoder(placed, state[0], tgt_mask=mask, tgt_is_causal=True)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        written = torch.cat([state[1], tokens.unsqueeze(1)], 1)
        return self.read(written, state)[:, -1], (state[0], written)

    def _placed(self, embedded: Tensor) -> Tensor:
        size = embedded.shape[2]
        place = torch.arange(embedded.shape[1]).unsqueeze(1)
        rate = torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
        waves = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], 2).flatten(1)
        return math.sqrt(size) * embedded + waves


def lstm_step(layer: Any, step_input: Tensor, state: State) -> State:
    """One step with the weights of an `nn.LSTM`: what `nn.LSTMCell` computes."""
    weights = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
    return torch.lstm_cell(step_input, state, *weights)
