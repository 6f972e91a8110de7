"""A language model: embedding, recurrent layers, and a distribution over the next token."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import RecurrentLayer, check_rate
from ostinato.models.locked_dropout import LockedDropout


class LanguageModel(nn.Module):
    """Predicts each token from those before it.

        E_t = embedding(token_t),   H_t = recurrent(E_1 .. E_t)
        P(token_{t+1} | token_1 .. token_t) = softmax(W H_t + b)

    Args:
        vocabulary_size: tokens to tell apart.
        embedding_size: features of a token; the recurrent layer's input_size.
        recurrent: any layer of ours that reads one way.
        tied: W is the embedding's matrix (Press 2017; Inan 2017); the recurrent layer's
            output_size must then be embedding_size.
        adaptive_cutoffs: token indices at which rarer clusters start: an adaptive softmax
            (Grave 2017) for large vocabularies whose indices go from frequent to rare.
        input_dropout: share of the embedded features dropped, the same at all steps (Gal 2016).
        output_dropout: likewise of the recurrent layer's outputs.
        embedding_dropout: share of tokens whose embedding is zero for a whole call (Gal 2016).

    Raises:
        SettingsError: options that do not go together.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer,
        *,
        tied: bool = False,
        adaptive_cutoffs: Sequence[int] | None = None,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("embedding_dropout", embedding_dropout)
        _check_layer(recurrent, embedding_size)
        self.vocabulary_size = vocabulary_size
        self.embedding_dropout = embedding_dropout
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.input_dropout = LockedDropout(input_dropout)
        self.recurrent = recurrent
        self.output_dropout = LockedDropout(output_dropout)
        self.adaptive: nn.AdaptiveLogSoftmaxWithLoss | None = None
        if adaptive_cutoffs:
            _check_adaptive(adaptive_cutoffs, vocabulary_size, tied)
            self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(
                recurrent.output_size, vocabulary_size, list(adaptive_cutoffs)
            )
        else:
            self.output = nn.Linear(recurrent.output_size, vocabulary_size)
            nn.init.zeros_(self.output.bias)
        if tied:
            _check_tied(recurrent.output_size, embedding_size)
            self.output.weight = self.embedding.weight

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first token."""
        return self.recurrent.initial_state(batch_size)

    def forward(
        self, inputs: Tensor, state: Any = None, *, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Read tokens.

        Args:
            inputs: token indices (batch, time).
            state: as this model returned it; None: the initial.
            resets: booleans (batch, time), True = start afresh before this step.

        Returns:
            features (batch, time, output_size), for `loss` or `log_probabilities`, and the state.
        """
        embedded = self.input_dropout(self._embed(inputs))
        outputs, state = self.recurrent(embedded, state, resets=resets)
        return self.output_dropout(outputs), state

    def step(self, step_input: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One token (batch,) on: log-probabilities of the next (batch, vocabulary), and the state."""
        embedded = self._embed(step_input.unsqueeze(1))
        embedded = self.input_dropout(embedded).squeeze(1)
        output, state = self.recurrent.step(embedded, state)
        return self.log_probabilities(self.output_dropout(output.unsqueeze(1)).squeeze(1)), state

    def log_probabilities(self, features: Tensor) -> Tensor:
        """Natural logarithms of the next token's probabilities (..., vocabulary), in float32."""
        if self.adaptive is not None:
            flat = self.adaptive.log_prob(features.flatten(0, -2))
            return flat.float().view(*features.shape[:-1], self.vocabulary_size)
        return F.log_softmax(self.output(features).float(), -1)

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Minus the log-probability of each target, in nats: (batch, time), float32."""
        flat = features.flatten(0, 1)
        if self.adaptive is not None:
            losses = -self.adaptive(flat, targets.flatten()).output.float()
        else:
            logits = self.output(flat).float()
            losses = F.cross_entropy(logits, targets.flatten(), reduction="none")
        return losses.view(targets.shape)

    def _embed(self, tokens: Tensor) -> Tensor:
        weight = self.embedding.weight
        if self.training and self.embedding_dropout:
            keep = 1 - self.embedding_dropout
            weight = weight * weight.new_empty(self.vocabulary_size, 1).bernoulli_(keep).div_(keep)
        return F.embedding(tokens, weight)


def _check_layer(recurrent: RecurrentLayer, embedding_size: int) -> None:
    if recurrent.bidirectional:
        raise SettingsError(
            "a language model cannot read both ways: the backward half would see the very tokens "
            "that are to be predicted"
        )
    if recurrent.input_size != embedding_size:
        raise SettingsError(
            f"the recurrent layer reads {recurrent.input_size} features, but a token has "
            f"embedding_size {embedding_size}"
        )


def _check_tied(output_size: int, embedding_size: int) -> None:
    if output_size != embedding_size:
        raise SettingsError(
            f"tied output weights need equal widths, but the recurrent layer puts out "
            f"{output_size} features and a token has embedding_size {embedding_size}; make them "
            "equal or do not tie"
        )


def _check_adaptive(cutoffs: Sequence[int], vocabulary_size: int, tied: bool) -> None:
    if tied:
        raise SettingsError(
            "tied output weights do not go with an adaptive softmax, whose clusters have weights "
            "of their own: choose one"
        )
    rising = list(cutoffs) == sorted(set(cutoffs))
    if not rising or not cutoffs[0] > 0 or not cutoffs[-1] < vocabulary_size:
        raise SettingsError(
            f"adaptive_cutoffs must rise from above 0 to below the vocabulary's "
            f"{vocabulary_size} tokens, got {list(cutoffs)}"
        )
