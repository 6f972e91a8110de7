"""The Transformer: from one sequence of tokens to another."""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import (
    Dropout,
    TransformerDecoder,
    TransformerEncoder,
    TransformerOptions,
    check_rate,
    make_positions,
    mask_of_lengths,
)
from ostinato.layers.positions import PositionKind
from ostinato.models.token_checks import check_tokens
from ostinato.models.vocabulary_losses import vocabulary_losses
from ostinato.state import KeyValueState, batch_size_of


class TransformerMemory(NamedTuple):
    """All that the decoder reads of a source, once encoded. It is no state.

    `ostinato.select(memory, indices)` takes some of its samples.

    Attributes:
        prepared: for each block of the decoder, its keys and values of the source.
        lengths: integers (batch,), the source's.
    """

    prepared: Any
    lengths: Tensor


class Transformer(nn.Module):
    """Predicts a target sequence from a source sequence, with attention alone.

        P(y_1 .. y_T | source) = product over t of P(y_t | y_1 .. y_{t-1}, source)
        H^0 = dropout(sqrt(size) embedding(tokens) + P(places)), for source and target

    Training reads whole targets (`loss`); decoding goes token by token:

        memory = model.encode(source, lengths)                  once a batch of sentences
        state = model.initial_state(memory)
        log_probabilities, state = model.next_step(tokens, state, memory)

    `memory` is no state and is never reordered: give a state k rows for each of its samples, rows
    of one sample together, and they share its keys (`ostinato.select` makes and reorders them).
    The state is the cache of the target's keys and values; it grows by doubling.

    Args:
        source_vocabulary_size, vocabulary_size: tokens to tell apart in source and target.
        options: sizes of all blocks, norms, dropout.
        num_layers: blocks of the encoder, and of the decoder.
        positions: "sinusoidal" or "learned".
        longest: tokens of a sequence at most; for learned positions. None: no limit.
        shared: source and target have one vocabulary, and one embedding.
        tied: the output's weights are the target embedding's (Press 2017).
        label_smoothing: share of the truth spread over the vocabulary, in training.

    Raises:
        SettingsError: a value out of range, or options that do not go together.

    Example:
        >>> options = ostinato.layers.TransformerOptions(size=16, heads=4)
        >>> model = Transformer(9, 11, options, num_layers=2)
        >>> source, lengths = torch.randint(9, (2, 5)), torch.tensor([5, 3])
        >>> target_in, targets = torch.randint(11, (2, 6)), torch.randint(11, (2, 6))
        >>> model.loss(source, lengths, target_in, targets, torch.tensor([6, 4])).shape
        torch.Size([2, 6])
        >>> model.alignment(source, lengths, target_in).shape
        torch.Size([2, 6, 5])

    Source: Vaswani 2017.
    """

    def __init__(
        self,
        source_vocabulary_size: int,
        vocabulary_size: int,
        options: TransformerOptions,
        num_layers: int = 6,
        *,
        positions: PositionKind = "sinusoidal",
        longest: int | None = None,
        shared: bool = False,
        tied: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("label_smoothing", label_smoothing)
        if shared and source_vocabulary_size != vocabulary_size:
            raise SettingsError(
                "a shared embedding needs one vocabulary, but the source has "
                f"{source_vocabulary_size} tokens and the target {vocabulary_size}"
            )
        if longest is not None and positions != "learned":
            raise SettingsError("longest is for learned positions; sinusoidal ones have no end")
        self.options, self.vocabulary_size = options, vocabulary_size
        self.label_smoothing = label_smoothing
        self.embedding = _embedding(vocabulary_size, options.size)
        self.source_embedding = (
            self.embedding if shared else _embedding(source_vocabulary_size, options.size)
        )
        self.positions = make_positions(positions, options.size, longest)
        self.source_positions = make_positions(positions, options.size, longest)
        self.dropout = Dropout(options.dropout)
        self.encoder = TransformerEncoder(options, num_layers)
        self.decoder = TransformerDecoder(options, num_layers)
        self.output = nn.Linear(options.size, vocabulary_size)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = self.embedding.weight

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> TransformerMemory:
        """Read sources, once.

        Args:
            source: token indices (batch, source time); past a sample's length any index will do.
            lengths: integers (batch,). None: all positions are real.

        Raises:
            ShapeError: shapes that do not fit.
        """
        check_tokens("source", source, ("batch", "source time"))
        batch, time = source.shape
        if lengths is None:
            lengths = torch.full((batch,), time)
        lengths = lengths.to(source.device)
        if lengths.shape != (batch,):
            raise ShapeError(f"lengths must be (batch,) = ({batch},), got {tuple(lengths.shape)}")
        features = self.source_positions(torch.arange(time, device=source.device))
        embedded = self._placed(self.source_embedding(source), features)
        outputs = self.encoder(embedded, lengths=lengths)
        return TransformerMemory(self.decoder.prepare(outputs), lengths)

    def initial_state(self, memory: TransformerMemory) -> tuple[KeyValueState, ...]:
        """The state before the first target token, a row for each sample of `memory`."""
        return self.decoder.initial_state(batch_size_of(memory))

    def next_step(
        self, tokens: Tensor, state: tuple[KeyValueState, ...], memory: TransformerMemory
    ) -> tuple[Tensor, tuple[KeyValueState, ...]]:
        """One target token on; call `eval()` before decoding.

        Args:
            tokens: indices (rows,): as many as `memory` has samples, or k for each.
            state: before these tokens, as many rows.
            memory: from `encode`.

        Returns:
            The next tokens' log-probabilities (rows, vocabulary), and the state after `tokens`.

        Raises:
            ShapeError: `tokens` are not integers (rows,).
        """
        check_tokens("tokens", tokens, ("rows",))
        features = self.positions(state[0].length.unsqueeze(1))
        embedded = self._placed(self.embedding(tokens.unsqueeze(1)), features)
        outputs, state = self.decoder.read_on(
            embedded, state, memory.prepared, memory_mask=_usable(memory)
        )
        logits = self.output(outputs.squeeze(1))
        return F.log_softmax(_at_least_float32(logits), -1), state

    def forward(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        target_lengths: Tensor | None = None,
    ) -> Tensor:
        """Logits of each next token, where the true ones are read.

        Args:
            source, source_lengths: see `encode`.
            target_in: token indices (batch, target time), the start token first.
            target_lengths: integers (batch,), the real steps of `target_in`. None: all. What
                stands behind them is without meaning; no real step sees it.

        Returns:
            (batch, target time, vocabulary).

        Raises:
            ShapeError: shapes that do not fit.
        """
        return self.output(self._features(source, source_lengths, target_in, target_lengths))

    def loss(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None = None,
    ) -> Tensor:
        """The loss of each target token, in nats, (batch, target time); 0 behind target_lengths.

        In evaluation it is minus the target's log-probability. In training labels are smoothed:

            loss = (1 - e) (-log p_target) + e / vocabulary sum_v (-log p_v)

        Args:
            source, source_lengths, target_in, target_lengths: as `forward`.
            targets: token indices (batch, target time), `target_in` one step on, the end token
                last.

        Source: Szegedy 2016, section 7, for the smoothing.
        """
        check_tokens("targets", targets, ("batch", "target time"))
        if targets.shape != target_in.shape:
            raise ShapeError(
                f"targets must be (batch, target time) = {tuple(target_in.shape)} as target_in, "
                f"got {tuple(targets.shape)}"
            )
        counted = torch.ones_like(targets, dtype=torch.bool)
        if target_lengths is not None:
            counted = mask_of_lengths(target_lengths.to(targets.device), targets.shape[1])
        features = self._features(source, source_lengths, target_in, target_lengths)
        smoothing = self.label_smoothing if self.training else 0.0
        return vocabulary_losses(features, self.output, targets, counted, smoothing=smoothing)

    @torch.no_grad()
    def alignment(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        target_lengths: Tensor | None = None,
    ) -> Tensor:
        """Where each target step looked: weights (batch, target time, source time).

        They are the mean over the heads of the decoder's last block. Row t belongs to the token
        that is predicted after `target_in[:, t]`.
        """
        self._check_target(source, target_in, target_lengths)
        memory = self.encode(source, source_lengths)
        embedded = self._embed_target(target_in)
        return self.decoder.last_weights(embedded, memory.prepared, memory_mask=_usable(memory))

    def _embed_target(self, target_in: Tensor) -> Tensor:
        features = self.positions(torch.arange(target_in.shape[1], device=target_in.device))
        return self._placed(self.embedding(target_in), features)

    def _placed(self, embedded: Tensor, features: Tensor) -> Tensor:
        """Embedded tokens (batch, time, size) at their places."""
        scaled = math.sqrt(self.options.size) * embedded
        return self.dropout(scaled + features.to(embedded.dtype))

    def _features(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        target_lengths: Tensor | None,
    ) -> Tensor:
        """What the vocabulary's matrix reads, of all steps."""
        self._check_target(source, target_in, target_lengths)
        memory = self.encode(source, source_lengths)
        return self.decoder(
            self._embed_target(target_in), memory.prepared, memory_mask=_usable(memory)
        )

    def _check_target(
        self, source: Tensor, target_in: Tensor, target_lengths: Tensor | None
    ) -> None:
        check_tokens("target_in", target_in, ("batch", "target time"))
        batch = target_in.shape[0]
        if batch != source.shape[0]:
            raise ShapeError(
                f"there are {source.shape[0]} sources and {batch} targets: each source needs one"
            )
        if target_lengths is not None and target_lengths.shape != (batch,):
            raise ShapeError(
                f"target_lengths must be (batch,) = ({batch},), got {tuple(target_lengths.shape)}"
            )


def _embedding(vocabulary_size: int, size: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary_size, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding


def _usable(memory: TransformerMemory) -> Tensor:
    """Booleans (batch, 1, source time), True within each source's length."""
    time = memory.prepared[0].keys.shape[2]
    return mask_of_lengths(memory.lengths, time).unsqueeze(1)


def _at_least_float32(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
