"""From one sequence to another: encoder, bridge, decoder, and their loss."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.engine.reading import active_steps
from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import check_rate
from ostinato.layers.attention import Reinforce
from ostinato.models.bridge import Bridge, BridgeKind
from ostinato.models.decoder import RecurrentDecoder
from ostinato.models.encoder import RecurrentEncoder
from ostinato.models.label_smoothing import smoothed_losses
from ostinato.models.sequence_memory import DecoderState, DecoderStep, Memory
from ostinato.models.token_checks import check_tokens


class SequenceToSequence(nn.Module):
    """Predicts a target sequence from a source sequence.

        P(y_1 .. y_T | source) = product over t of P(y_t | y_1 .. y_{t-1}, source)

    Training reads whole targets (`loss`); decoding goes token by token:

        memory = model.encode(source, lengths)                  once a batch of sentences
        state = model.initial_state(memory)
        log_probabilities, state = model.next_step(tokens, state, memory)

    `memory` is no state and is never reordered: give a state k rows for each of its samples, rows
    of one sample together, and they share its keys (`ostinato.select` makes and reorders them).

    Args:
        encoder, decoder: the two halves.
        bridge: from the encoder's last state to the decoder's first: "dense", "copy" or None; see
            `ostinato.models.Bridge`.
        label_smoothing: share of the truth spread over the vocabulary, in training.
        reinforce: how hard attention learns. None: as `Reinforce()` does.

    Raises:
        SettingsError: halves that do not fit each other.

    Example:
        >>> encoder = ostinato.RecurrentEncoder(9, 8, ostinato.GRU(8, 8, bidirectional=True))
        >>> attention = ostinato.Attention(ostinato.layers.AdditiveScore(8, 16))
        >>> decoder = ostinato.BahdanauDecoder(9, 8, ostinato.GRU(8 + 16, 8), attention, 16)
        >>> model = SequenceToSequence(encoder, decoder)
        >>> source, lengths = torch.randint(9, (2, 5)), torch.tensor([5, 3])
        >>> target_in, targets = torch.randint(9, (2, 6)), torch.randint(9, (2, 6))
        >>> model.loss(source, lengths, target_in, targets, torch.tensor([6, 4])).shape
        torch.Size([2, 6])
        >>> model.alignment(source, lengths, target_in).shape
        torch.Size([2, 6, 5])
    """

    updates: Tensor

    def __init__(
        self,
        encoder: RecurrentEncoder,
        decoder: RecurrentDecoder,
        *,
        bridge: BridgeKind | None = "dense",
        label_smoothing: float = 0.0,
        reinforce: Reinforce | None = None,
    ) -> None:
        super().__init__()
        check_rate("label_smoothing", label_smoothing)
        _check_halves(encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.bridge = Bridge(encoder.recurrent, decoder.recurrent, bridge)
        self.label_smoothing = label_smoothing
        hard = decoder.attention is not None and decoder.attention.hard
        if reinforce is not None and not hard:
            raise SettingsError("reinforce teaches hard attention, and this attention is not hard")
        self.reinforce = (reinforce or Reinforce()) if hard else None
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def encode(
        self, source: Tensor, lengths: Tensor | None = None, *, copied: Tensor | None = None
    ) -> Memory:
        """Read sources, once.

        Args:
            source: token indices (batch, source time); past a sample's length any index will do.
            lengths: integers (batch,); None: all positions are real.
            copied: for a decoder that copies, (batch, source time), what each position is among
                the target's tokens. None: the source's own tokens, where both have one vocabulary.

        Raises:
            ShapeError: shapes that do not fit.
        """
        options = self.decoder.options
        unknown_index = options.unknown_index if options.extra_tokens else None
        encoded = self.encoder(source, lengths, unknown_index=unknown_index)
        own = self.decoder.recurrent.initial_state(source.shape[0])
        if copied is not None and copied.shape != source.shape:
            raise ShapeError(
                f"copied must be (batch, source time) = {tuple(source.shape)} as the source, "
                f"got {tuple(copied.shape)}"
            )
        copied = source if copied is None else copied
        return self.decoder.remember(encoded, self.bridge(encoded.state, own), copied)

    def initial_state(self, memory: Memory) -> DecoderState:
        """The state before the first target token, a row for each sample of `memory`."""
        return self.decoder.initial_state(memory)

    def next_step(
        self, tokens: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, DecoderState]:
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
        return self.decoder.next_step(tokens, state, memory)

    def forward(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        target_lengths: Tensor | None = None,
        *,
        copied: Tensor | None = None,
    ) -> Tensor:
        """Log-probabilities of each next token, where the true ones are read.

        Args:
            source, source_lengths, copied: see `encode`.
            target_in: token indices (batch, target time), the start token first.
            target_lengths: integers (batch,), the real steps of `target_in`; None: all. What
                stands behind them is without meaning.

        Returns:
            (batch, target time, vocabulary), or wider by the tokens that can only be copied.

        Raises:
            ShapeError: shapes that do not fit.
        """
        self.decoder.check_target(target_in)
        memory = self.encode(source, source_lengths, copied=copied)
        step = self.decoder.read(target_in, target_lengths, memory)
        return self.decoder.log_probabilities(step, memory)

    def loss(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None = None,
        *,
        copied: Tensor | None = None,
    ) -> Tensor:
        """The loss of each target token, in nats, (batch, target time); 0 behind target_lengths.

        In evaluation it is minus the target's log-probability. In training label smoothing,
        scheduled sampling and the coverage penalty act, and hard attention gets its gradient (by
        a term whose value is 0).

        Args:
            source, source_lengths, target_in, target_lengths, copied: as `forward`.
            targets: token indices (batch, target time), `target_in` one step on, the end token
                last.
        """
        self.decoder.check_target(target_in)
        check_tokens("targets", targets, ("batch", "target time"))
        if targets.shape != target_in.shape:
            raise ShapeError(
                f"targets must be (batch, target time) = {tuple(target_in.shape)} as target_in, "
                f"got {tuple(targets.shape)}"
            )
        memory = self.encode(source, source_lengths, copied=copied)
        counted = torch.ones_like(targets, dtype=torch.bool)
        if target_lengths is not None:
            counted = active_steps(target_lengths.to(targets.device), targets.shape[1])
        step = self.decoder.read(
            target_in, target_lengths, memory, share_of_truth=self._share_of_truth()
        )
        return torch.where(counted, self._losses(step, memory, targets, counted), 0.0)

    @torch.no_grad()
    def alignment(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target_in: Tensor,
        target_lengths: Tensor | None = None,
        *,
        copied: Tensor | None = None,
    ) -> Tensor:
        """Where each target step looked: weights (batch, target time, source time).

        Row t belongs to the token that is predicted after `target_in[:, t]`. The arguments are
        those of `forward`.

        Raises:
            SettingsError: the decoder has no attention.
        """
        if self.decoder.attention is None:
            raise SettingsError("a plain decoder attends to nothing, so that it has no alignment")
        self.decoder.check_target(target_in)
        memory = self.encode(source, source_lengths, copied=copied)
        return self.decoder.read(target_in, target_lengths, memory, need_weights=True).weights

    def _share_of_truth(self) -> Tensor | None:
        """In training with scheduled sampling, how often the truth is read; counts the update."""
        schedule = self.decoder.options.scheduled_sampling
        if schedule is None or not self.training:
            return None
        share = schedule.share_of_truth(self.updates)
        self.updates += 1
        return share

    def _losses(
        self, step: DecoderStep, memory: Memory, targets: Tensor, counted: Tensor
    ) -> Tensor:
        size = self.decoder.vocabulary_size
        smoothing = self.label_smoothing if self.training else 0.0
        if self.reinforce is None or not self.training:
            losses = self.decoder.losses(step, memory, targets, counted, smoothing=smoothing)
        else:
            log_probabilities = self.decoder.log_probabilities(step, memory)
            losses = smoothed_losses(log_probabilities, targets, smoothing, size)
            rewards = -smoothed_losses(log_probabilities, targets, 0.0, size)
            onward = self.decoder.context_feeds_state
            losses = losses + self.reinforce(step.choice, rewards, counted, onward=onward)
        coverage = self.decoder.options.coverage
        if self.training and step.penalty is not None and coverage is not None:
            losses = losses + coverage.penalty * step.penalty
        return losses


def _check_halves(encoder: RecurrentEncoder, decoder: Any) -> None:
    if decoder.attention is None:
        return
    if decoder.value_size != encoder.output_size:
        raise SettingsError(
            f"the encoder gives {encoder.output_size} features a position, but the decoder was "
            f"made with value_size {decoder.value_size}"
        )
    if decoder.attention.score.key_size != encoder.output_size:
        raise SettingsError(
            f"the encoder gives {encoder.output_size} features a position, but the score has "
            f"key_size {decoder.attention.score.key_size}"
        )
