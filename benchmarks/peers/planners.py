"""Planners of tours in plain torch, as one writes them from the papers: `nn.LSTM`, `nn.LSTMCell`
and `nn.TransformerEncoder`, every step of a given tour in one pass, a loop where tours are drawn.

They take the weights of our networks, so that both sides compute the same numbers. Points are
(batch, points, 2), tours (batch, points), counted from 0 and beginning with point 0.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

import ostinato
from ostinato.layers import torch_state_dict, torch_transformer_state_dict
from ostinato.models.attention_pointing import AttentionPointing
from ostinato.models.recurrent_pointing import RecurrentPointing

HEADS = 8


class TorchPlanner(nn.Module):
    """What both planners share; a subclass reads the points and scores them."""

    def read(self, points: Tensor) -> Any:
        raise NotImplementedError

    def scores(self, read: Any, tours: Tensor, visited: Tensor) -> Tensor:
        """(batch, steps, points): how well each point fits after each of `tours`' beginnings."""
        raise NotImplementedError

    def begin(self, read: Any) -> Any:
        """What a drawn tour carries from step to step."""
        raise NotImplementedError

    def step_scores(self, read: Any, carried: Any, last: Tensor, visited: Tensor) -> Any:
        """(batch, points) of one step, and what is carried on."""
        raise NotImplementedError

    def log_likelihood(self, points: Tensor, tours: Tensor) -> Tensor:
        """(batch, points): of each step, given those before it."""
        size = points.shape[1]
        taken = nn.functional.one_hot(tours, size).cumsum(1).bool()
        visited = torch.cat([torch.zeros_like(taken[:, :1]), taken[:, :-1]], 1)
        visited[:, 0, 1:] = True  # a tour begins with point 0
        scores = self.scores(self.read(points), tours, visited)
        likely = scores.masked_fill(visited, -math.inf).log_softmax(-1)
        return likely.gather(2, tours.unsqueeze(2)).squeeze(2)

    def draw(self, points: Tensor, *, greedy: bool) -> tuple[Tensor, Tensor]:
        """Tours, and their log-probabilities (batch,)."""
        read = self.read(points)
        batch, size = points.shape[:2]
        visited = torch.zeros(batch, size, dtype=torch.bool)
        visited[:, 1:] = True
        carried, last = self.begin(read), torch.full((batch,), -1)
        tours, log_probabilities = [], []
        for step in range(size):
            scores, carried = self.step_scores(read, carried, last, visited)
            likely = scores.masked_fill(visited, -math.inf).log_softmax(-1)
            last = likely.argmax(1) if greedy else likely.exp().multinomial(1).squeeze(1)
            log_probabilities.append(likely.gather(1, last.unsqueeze(1)))
            visited = torch.zeros_like(visited) if step == 0 else visited
            visited = visited.scatter(1, last.unsqueeze(1), True)
            tours.append(last)
        return torch.stack(tours, 1), torch.cat(log_probabilities, 1).sum(1)


class TorchPointerNetwork(TorchPlanner):
    """Vinyals 2015, without glimpses."""

    def __init__(self, ours: RecurrentPointing) -> None:
        super().__init__()
        size = ours.encoder.output_size
        self.encoder, self.decoder = (nn.LSTM(2, size, batch_first=True) for _ in range(2))
        self.encoder.load_state_dict(torch_state_dict(ours.encoder))
        self.decoder.load_state_dict(torch_state_dict(ours.decoder))
        self.keys, self.queries = (nn.Linear(size, size, bias=False) for _ in range(2))
        self.keys.load_state_dict(ours.pointer.scores.key.state_dict())
        self.queries.load_state_dict(ours.pointer.scores.query.state_dict())
        self.weight = nn.Parameter(ours.pointer.scores.weight.detach().clone())
        self.start = nn.Parameter(ours.start.detach().clone())

    def read(self, points: Tensor) -> Any:
        features, state = self.encoder(points)
        return points, self.keys(features), state

    def scores(self, read: Any, tours: Tensor, visited: Tensor) -> Tensor:
        points, keys, state = read
        start = self.start.expand(len(points), 1, -1)
        inputs = points.gather(1, tours[:, :-1, None].expand(-1, -1, 2))
        queries, _ = self.decoder(torch.cat([start, inputs], 1), state)
        fit = torch.tanh(keys.unsqueeze(1) + self.queries(queries).unsqueeze(2))
        return fit @ self.weight

    def begin(self, read: Any) -> Any:
        # The same weights as the layer's, read by the function that computes one step.
        return tuple(part[0] for part in read[2])

    def step_scores(self, read: Any, carried: Any, last: Tensor, visited: Tensor) -> Any:
        points, keys, _ = read
        batch = len(points)
        step_input = points[torch.arange(batch), last]
        if int(last[0]) < 0:
            step_input = self.start.expand(batch, -1)
        layer = self.decoder
        weights = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
        hidden, memory = torch.lstm_cell(step_input, carried, *weights)
        fit = torch.tanh(keys + self.queries(hidden).unsqueeze(1))
        return fit @ self.weight, (hidden, memory)


class TorchAttentionPlanner(TorchPlanner):
    """Kool 2019 with norms over each point, before each sum, as ours has them."""

    def __init__(self, ours: AttentionPointing) -> None:
        super().__init__()
        size = ours.embedding.out_features
        layer = nn.TransformerEncoderLayer(
            size, HEADS, 4 * size, dropout=0.0, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(size)
        depth = len(ours.encoder.blocks)
        self.encoder = nn.TransformerEncoder(layer, depth, norm, enable_nested_tensor=False)
        self.encoder.load_state_dict(torch_transformer_state_dict(ours.encoder))
        names = ("embedding", "from_mean", "from_first", "from_last", "keys", "glimpse")
        for name in names:
            theirs = getattr(ours, name)
            own = nn.Linear(theirs.in_features, theirs.out_features, theirs.bias is not None)
            own.load_state_dict(theirs.state_dict())
            setattr(self, name, own)
        self.start = nn.Parameter(ours.start.detach().clone())
        self.clip = ours.clip

    def read(self, points: Tensor) -> Any:
        features = self.encoder(self.embedding(points))
        glimpse_keys, values, keys = self.keys(features).chunk(3, -1)
        split = [_heads(part) for part in (glimpse_keys, values)]
        return features, features.mean(1), *split, keys

    def scores(self, read: Any, tours: Tensor, visited: Tensor) -> Tensor:
        features = read[0]
        start = self.start.expand(len(features), 1, -1)
        index = tours[:, :-1, None].expand(-1, -1, features.shape[2])
        lasts = torch.cat([start, features.gather(1, index)], 1)
        firsts = torch.cat([start, lasts[:, 1:2].expand(-1, tours.shape[1] - 1, -1)], 1)
        return self._point(read, firsts, lasts, visited)

    def begin(self, read: Any) -> Any:
        return None

    def step_scores(self, read: Any, carried: Any, last: Tensor, visited: Tensor) -> Any:
        features = read[0]
        if int(last[0]) < 0:
            lasts = first = self.start.expand(len(features), 1, -1)
            carried = None
        else:
            lasts = features[torch.arange(len(features)), last].unsqueeze(1)
            first = carried = lasts if carried is None else carried
        return self._point(read, first, lasts, visited.unsqueeze(1)).squeeze(1), carried

    def _point(self, read: Any, firsts: Tensor, lasts: Tensor, visited: Tensor) -> Tensor:
        _, mean, glimpse_keys, values, keys = read
        queries = self.from_mean(mean).unsqueeze(1) + self.from_first(firsts)
        queries = queries + self.from_last(lasts)
        seen = nn.functional.scaled_dot_product_attention(
            _heads(queries), glimpse_keys, values, attn_mask=~visited.unsqueeze(1)
        )
        glimpsed = self.glimpse(seen.transpose(1, 2).flatten(2))
        scores = glimpsed @ keys.transpose(1, 2) / math.sqrt(keys.shape[2])
        return self.clip * torch.tanh(scores)


def lengths_of(points: Tensor, tours: Tensor) -> Tensor:
    """Of closed tours: (batch,)."""
    ordered = points.gather(1, tours.unsqueeze(2).expand(-1, -1, 2))
    return (ordered - ordered.roll(-1, 1)).norm(dim=2).sum(1)


def torch_planner(ours: ostinato.PointerNetwork) -> TorchPlanner:
    """The same network in plain torch, with the same weights."""
    if isinstance(ours.pointing, AttentionPointing):
        return TorchAttentionPlanner(ours.pointing)
    assert isinstance(ours.pointing, RecurrentPointing)
    return TorchPointerNetwork(ours.pointing)


def _heads(features: Tensor) -> Tensor:
    return features.unflatten(2, (HEADS, -1)).transpose(1, 2)
