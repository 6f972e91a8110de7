"""What every recurrent decoder is: one step, a loop over it, and the vocabulary at its end."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import Dropout, LayerNoise, RecurrentLayer
from ostinato.layers.attention import Attention, HardChoice
from ostinato.models.decoder_options import DecoderOptions
from ostinato.models.label_smoothing import smoothed_losses
from ostinato.models.pointer_generator import PointerGenerator
from ostinato.models.sequence_memory import DecoderState, DecoderStep, Encoded, Memory
from ostinato.models.token_checks import check_tokens
from ostinato.models.token_embedding import token_embedding
from ostinato.models.vocabulary_losses import vocabulary_losses
from ostinato.state import NoState


class RecurrentDecoder(nn.Module, ABC):
    """A recurrent layer that writes the target, token by token; a subclass gives its equations.

    Args:
        vocabulary_size: target tokens to tell apart.
        embedding_size: features of a token.
        recurrent: any layer of ours that reads one way.
        attention: over the source. None: the decoder knows the source by its first state only.
        options: what it does beside its equations. None: nothing.
        extra_input: features that the layer reads beside the token's.

    Raises:
        SettingsError: parts or options that do not go together.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer,
        attention: Attention | None,
        options: DecoderOptions | None,
        *,
        value_size: int = 0,
        extra_input: int = 0,
    ) -> None:
        super().__init__()
        options = options or DecoderOptions()
        _check_layer(recurrent, embedding_size, extra_input)
        _check_attention(attention, options)
        self.vocabulary_size = vocabulary_size
        self.embedding_size = embedding_size
        self.value_size = value_size
        self.options = options
        self.readout_size = options.readout_size or recurrent.output_size
        self.embedding = token_embedding(vocabulary_size, embedding_size)
        self.dropout = Dropout(options.dropout)
        self.recurrent = recurrent
        self.attention = attention
        self.output = nn.Linear(self.readout_size, vocabulary_size)
        nn.init.zeros_(self.output.bias)
        if options.tied:
            _check_tied(self.readout_size, embedding_size)
            self.output.weight = self.embedding.weight
        self.copying = self._make_copying()
        self.of_fertility = None
        if options.coverage is not None and options.coverage.fertility is not None:
            self.of_fertility = nn.Linear(value_size, 1, bias=False)

    one_pass: bool = False
    context_feeds_state: bool = True

    @abstractmethod
    def advance(
        self,
        embedded: Tensor,
        state: DecoderState,
        memory: Memory,
        noise: Sequence[LayerNoise],
        *,
        need_weights: bool,
    ) -> tuple[DecoderStep, DecoderState]:
        """One step: from the embedded token (batch, embedding_size) and the state before it."""

    @abstractmethod
    def features(self, step: DecoderStep) -> Tensor:
        """What the vocabulary's matrix reads, (..., readout_size), of one step or of all."""

    def read_at_once(
        self, embedded: Tensor, memory: Memory, lengths: Tensor | None, *, need_weights: bool
    ) -> DecoderStep:
        """All steps, where none depends on what attention saw before; see `one_pass`."""
        raise NotImplementedError

    def remember(self, encoded: Encoded, start: Any, copied: Tensor | None) -> Memory:
        """The source made ready: its keys projected, its positions' tokens and fertilities."""
        prepared, fertility = NoState(), NoState()
        if self.attention is not None:
            values = encoded.outputs
            prepared = self.attention.prepare(values, values, encoded.lengths)
        most = None if self.options.coverage is None else self.options.coverage.fertility
        if self.of_fertility is not None and most is not None:
            fertility = most * torch.sigmoid(self.of_fertility(encoded.outputs)).squeeze(-1)
        tokens = NoState() if copied is None or self.copying is None else copied
        return Memory(prepared, start, tokens, fertility, encoded.lengths)

    def initial_state(self, memory: Memory) -> DecoderState:
        """The state before the first target token."""
        like, batch_size = self.output.weight, memory.lengths.shape[0]
        coverage = NoState()
        if self.options.coverage is not None:
            coverage = like.new_zeros(memory.prepared.mask.shape)
        position = torch.zeros(batch_size, dtype=torch.long, device=like.device)
        return DecoderState(memory.start, self.initial_attentional(batch_size), coverage, position)

    def initial_attentional(self, batch_size: int) -> Any:
        """The vector fed in at the first step; nothing, where none is."""
        return NoState()

    def next_step(
        self, tokens: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, DecoderState]:
        """Read a token of each row; gives (rows, vocabulary) log-probabilities and the state."""
        embedded = self.embed(tokens)
        noise = self.recurrent.draw_noise(embedded, 1)
        step, state = self.advance(
            embedded, state, memory, noise, need_weights=self._needs_weights()
        )
        return self.log_probabilities(step, memory), state

    def read(
        self,
        target_in: Tensor,
        lengths: Tensor | None,
        memory: Memory,
        *,
        share_of_truth: Tensor | None = None,
        need_weights: bool = False,
    ) -> DecoderStep:
        """Read a whole target, all steps up to the vocabulary.

        Args:
            target_in: token indices (batch, target time), from the start token on.
            lengths: integers (batch,); None: all steps are real.
            memory: the source.
            share_of_truth: how often the true token is read, else one drawn by the model; a
                scalar. None: always.
            need_weights: also give the alignment.
        """
        need_weights = need_weights or self._needs_weights()
        if self.one_pass and share_of_truth is None and self.options.coverage is None:
            embedded = self.embed(target_in)
            return self.read_at_once(embedded, memory, lengths, need_weights=need_weights)
        return self._read_step_by_step(target_in, memory, share_of_truth, need_weights)

    def embed(self, tokens: Tensor) -> Tensor:
        """Features of tokens; of `unknown_index` for those beyond the vocabulary."""
        if self.options.extra_tokens:
            unknown = self.options.unknown_index
            tokens = torch.where(tokens < self.vocabulary_size, tokens, unknown)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return self.dropout(self.embedding(tokens))

    def log_probabilities(self, step: DecoderStep, memory: Memory) -> Tensor:
        """(..., vocabulary) of the next token; in float32 or better."""
        logits = self.output(self.dropout(self.features(step)))
        logits = logits if logits.dtype == torch.float64 else logits.float()
        log_probabilities = F.log_softmax(logits, -1)
        if self.copying is None:
            return log_probabilities
        return self.copying(log_probabilities, step, memory.copied)

    def losses(
        self,
        step: DecoderStep,
        memory: Memory,
        targets: Tensor,
        counted: Tensor,
        *,
        smoothing: float,
    ) -> Tensor:
        """The loss of each target (batch, time), in nats; see `vocabulary_losses`."""
        if self.copying is not None:
            log_probabilities = self.log_probabilities(step, memory)
            return smoothed_losses(log_probabilities, targets, smoothing, self.vocabulary_size)
        features = self.dropout(self.features(step))
        return vocabulary_losses(features, self.output, targets, counted, smoothing=smoothing)

    def look(
        self, query: Tensor, state: DecoderState, memory: Memory, *, need_weights: bool
    ) -> tuple[dict[str, Any], Any]:
        """Attend to the source, from one step; gives what it saw and the coverage after it."""
        assert self.attention is not None
        options = self.options.coverage
        before = None if options is None else state.coverage
        attended = self.attention.look(
            query,
            memory.prepared,
            positions=state.position,
            coverage=before,
            need_weights=need_weights,
        )
        seen = attended._asdict()
        if before is None:
            return seen, NoState()
        share = attended.weights
        penalty = torch.minimum(share, before).sum(-1)
        if self.of_fertility is not None:
            rows = share.view(memory.fertility.shape[0], -1, share.shape[-1])
            share = (rows / memory.fertility.unsqueeze(1)).view_as(share)
        return {**seen, "penalty": penalty}, before + share

    def _read_step_by_step(
        self,
        target_in: Tensor,
        memory: Memory,
        share_of_truth: Tensor | None,
        need_weights: bool,
    ) -> DecoderStep:
        state, steps = self.initial_state(memory), []
        embedded = self.embed(target_in)
        noise = self.recurrent.draw_noise(embedded, target_in.shape[1])
        for t in range(target_in.shape[1]):
            token = embedded[:, t]
            if share_of_truth is not None and t > 0:
                token = self._own_or_true(steps[-1], memory, target_in[:, t], share_of_truth)
            now = [layer.window(t, t + 1) for layer in noise]
            step, state = self.advance(token, state, memory, now, need_weights=need_weights)
            steps.append(step)
        return _together(steps)

    def _own_or_true(
        self, before: DecoderStep, memory: Memory, true: Tensor, share_of_truth: Tensor
    ) -> Tensor:
        """The embedded token to be read: the true one, or one drawn by the model."""
        with torch.no_grad():
            probabilities = self.log_probabilities(before, memory).exp()
            drawn = torch.multinomial(probabilities, 1).squeeze(1)
            coins = torch.rand(true.shape, device=true.device)
            tokens = torch.where(coins < share_of_truth, true, drawn)
        return self.embed(tokens)

    def _needs_weights(self) -> bool:
        return self.copying is not None or self.options.coverage is not None

    def _make_copying(self) -> PointerGenerator | None:
        if not self.options.copy:
            return None
        return PointerGenerator(
            self.value_size,
            self.recurrent.output_size,
            self.embedding_size,
            extra_tokens=self.options.extra_tokens,
        )

    def check_target(self, target_in: Tensor) -> None:
        """Raise ShapeError unless `target_in` are token indices of one step or more."""
        check_tokens("target_in", target_in, ("batch", "target time"))
        if target_in.shape[1] == 0:
            raise ShapeError("target_in must have one step at least, the start token, got none")


def top_hidden_size(recurrent: RecurrentLayer) -> int:
    """Features of the last layer's hidden state, which an attention before the cell asks with."""
    return recurrent.initial_state(1)[-1][0].shape[1]


def _together(steps: list[DecoderStep]) -> DecoderStep:
    """Single steps as one, the tensors (batch, time, ...)."""
    return DecoderStep(*(_stacked(parts) for parts in zip(*steps, strict=True)))


def _stacked(parts: tuple[Any, ...]) -> Any:
    if parts[0] is None:
        return None
    if isinstance(parts[0], HardChoice):
        return HardChoice(*(torch.stack(each, 1) for each in zip(*parts, strict=True)))
    return torch.stack(parts, 1)


def _check_layer(recurrent: RecurrentLayer, embedding_size: int, extra_input: int) -> None:
    if recurrent.bidirectional:
        raise SettingsError(
            "a decoder cannot read both ways: the backward half would see the very tokens that "
            "are to be predicted"
        )
    expected = embedding_size + extra_input
    if recurrent.input_size != expected:
        beside = f" and {extra_input} of what attention saw" if extra_input else ""
        raise SettingsError(
            f"the decoder's recurrent layer reads {recurrent.input_size} features; make it read "
            f"{expected}: {embedding_size} of the token{beside}"
        )


def _check_attention(attention: Attention | None, options: DecoderOptions) -> None:
    if attention is None and (options.copy or options.coverage is not None):
        raise SettingsError("copy and coverage need attention, and a plain decoder has none")
    if attention is None:
        return
    reads = getattr(attention.score, "of_coverage", None) is not None
    if reads != (options.coverage is not None):
        raise SettingsError(
            "coverage needs two things that go together: coverage=Coverage() among the decoder's "
            "options, and AdditiveScore(coverage=True) in its attention"
        )


def _check_tied(readout_size: int, embedding_size: int) -> None:
    if readout_size != embedding_size:
        raise SettingsError(
            f"tied output weights need equal widths, but the vocabulary reads {readout_size} "
            f"features and a token has embedding_size {embedding_size}; set readout_size to it"
        )
