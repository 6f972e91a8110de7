"""A language model: embedding, layers that read one way, a distribution over the next token."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import CausalTransformer, RecurrentLayer, check_rate, inverted_mask
from ostinato.models.locked_dropout import LockedDropout
from ostinato.models.token_checks import check_tokens
from ostinato.state import batch_size_of


class LanguageModel(nn.Module):
    """Predicts each token from those before it.

        E_t = embedding(token_t),   H_t = recurrent(E_1 .. E_t)
        P(token_{t+1} | token_1 .. token_t) = softmax(W H_t + b)

    Args:
        vocabulary_size: tokens to tell apart.
        embedding_size: features of a token; the recurrent layer's input_size.
        recurrent: any layer of ours that reads one way and carries a state; a `CausalTransformer`
            is one, its state the cache of keys and values.
        tied: W is the embedding's matrix (Press 2017; Inan 2017); the recurrent layer's
            output_size must then be embedding_size.
        adaptive_cutoffs: token indices at which rarer clusters start: an adaptive softmax
            (Grave 2017) for large vocabularies whose indices go from frequent to rare. Each
            cluster is 4 times narrower than the one before, or less where that would leave it no
            feature. None: a plain softmax.
        input_dropout: share of the embedded features dropped, the same at all steps (Gal 2016).
        output_dropout: likewise of the recurrent layer's outputs.
        embedding_dropout: share of the vocabulary's tokens whose embedding is zero for a whole
            call, wherever they stand in it (Gal 2016; Merity 2017). Tied output weights keep them.

    Raises:
        SettingsError: a value out of range, or options that do not go together.

    Example:
        >>> model = LanguageModel(50, 16, ostinato.LSTM(16, 16), tied=True)
        >>> tokens = torch.randint(50, (2, 8))
        >>> features, state = model(tokens[:, :-1])
        >>> model.loss(features, tokens[:, 1:]).shape
        torch.Size([2, 7])
        >>> log_probabilities, state = model.step(tokens[:, -1], state)
        >>> log_probabilities.shape
        torch.Size([2, 50])
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer | CausalTransformer,
        *,
        tied: bool = False,
        adaptive_cutoffs: Sequence[int] | None = None,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("input_dropout", input_dropout)
        check_rate("output_dropout", output_dropout)
        check_rate("embedding_dropout", embedding_dropout)
        _check_layer(recurrent, embedding_size)
        if tied:
            _check_tied(recurrent.output_size, embedding_size, adaptive_cutoffs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dropout = embedding_dropout
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.input_dropout = LockedDropout(input_dropout)
        self.recurrent = recurrent
        self.output_dropout = LockedDropout(output_dropout)
        self.adaptive: nn.AdaptiveLogSoftmaxWithLoss | None = None
        if adaptive_cutoffs is not None:
            _check_cutoffs(adaptive_cutoffs, vocabulary_size)
            self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(
                recurrent.output_size,
                vocabulary_size,
                list(adaptive_cutoffs),
                div_value=_narrowing(recurrent.output_size, len(adaptive_cutoffs)),
            )
        else:
            self.output = nn.Linear(recurrent.output_size, vocabulary_size)
            nn.init.zeros_(self.output.bias)
            if tied:
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
            resets: booleans (batch, time), True = start afresh before this step. None: never.

        Returns:
            features (batch, time, output_size), for `loss` or `log_probabilities`, and the state.

        Raises:
            ShapeError: `inputs` are not integers (batch, time).
        """
        check_tokens("inputs", inputs, ("batch", "time"))
        outputs, state = self.recurrent(self._embed(inputs), state, resets=resets)
        return self.output_dropout(outputs), state

    def step(self, step_input: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One token on, for writing.

        In training each call draws its dropout masks anew; call `eval()` before writing.

        Args:
            step_input: token indices (batch,).
            state: the state before this token.

        Returns:
            The next token's log-probabilities (batch, vocabulary), as `log_probabilities`, and the
            state after this token.

        Raises:
            ShapeError: `step_input` is not integers (batch,).
        """
        check_tokens("step_input", step_input, ("batch",))
        embedded = self._embed(step_input.unsqueeze(1)).squeeze(1)
        output, state = self.recurrent.step(embedded, state)
        features = self.output_dropout(output.unsqueeze(1)).squeeze(1)
        return self.log_probabilities(features), state

    def prepared_step(self, state: Any) -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
        """`step` for writing at length: the layer's weights are packed once, its state is inside.

        Args:
            state: the state before the first token that is to be read.

        Returns:
            A function of tokens (batch,) and a state, as `step` in evaluation mode without
            gradients. It goes on from its own last step, whatever state it is given.
        """
        stepper = self.recurrent.stepper(batch_size_of(state))
        stepper.state = state

        @torch.no_grad()
        def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
            return self.log_probabilities(stepper(self.embedding(tokens))), state

        return step

    def log_probabilities(self, features: Tensor) -> Tensor:
        """Natural logarithms of the next token's probabilities.

        Args:
            features: (..., output_size), as `forward` returned them.

        Returns:
            (..., vocabulary), in float32 also under autocast; in float64 if the model is.
        """
        if self.adaptive is None:
            return F.log_softmax(_at_least_float32(self.output(features)), -1)
        with _without_autocast(features):
            flat = self.adaptive.log_prob(self._for_adaptive(features.flatten(0, -2)))
        return _at_least_float32(flat).view(*features.shape[:-1], self.vocabulary_size)

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Minus the log-probability of each target, in nats.

        Args:
            features: (batch, time, output_size), as `forward` returned them.
            targets: token indices (batch, time).

        Returns:
            (batch, time), in float32 also under autocast; in float64 if the model is.

        Raises:
            ShapeError: `targets` are not integers (batch, time), as many as features.
        """
        check_tokens("targets", targets, ("batch", "time"))
        if targets.shape != features.shape[:-1]:
            raise ShapeError(
                f"targets must be (batch, time) = {tuple(features.shape[:-1])} as the features, "
                f"got {tuple(targets.shape)}"
            )
        flat, indices = features.flatten(0, 1), targets.flatten().long()
        if self.adaptive is None:
            logits = _at_least_float32(self.output(flat))
            return F.cross_entropy(logits, indices, reduction="none").view(targets.shape)
        with _without_autocast(features):
            chosen = self.adaptive(self._for_adaptive(flat), indices).output
        return -_at_least_float32(chosen).view(targets.shape)

    def _embed(self, tokens: Tensor) -> Tensor:
        """Features of tokens (batch, time), with both dropouts of the input."""
        embedded = self.embedding(tokens)
        if self.training and self.embedding_dropout:
            words = embedded.new_empty(self.vocabulary_size)
            kept = inverted_mask(words, self.embedding_dropout)
            embedded = embedded * kept[tokens].unsqueeze(-1)
        return self.input_dropout(embedded)

    def _for_adaptive(self, features: Tensor) -> Tensor:
        """In the type of the weights, as autocast does not do it."""
        assert self.adaptive is not None
        return features.to(self.adaptive.head.weight.dtype)


def _at_least_float32(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _without_autocast(like: Tensor) -> torch.autocast:
    """torch's adaptive softmax would round its log-probabilities to half precision."""
    return torch.autocast(like.device.type, enabled=False)


def _check_layer(recurrent: RecurrentLayer | CausalTransformer, embedding_size: int) -> None:
    if recurrent.bidirectional:
        raise SettingsError(
            "a language model cannot read both ways: the backward half would see the very tokens "
            "that are to be predicted"
        )
    if recurrent.input_size != embedding_size:
        raise SettingsError(
            f"the layer reads {recurrent.input_size} features, but a token has "
            f"embedding_size {embedding_size}"
        )


def _check_tied(output_size: int, embedding_size: int, cutoffs: Sequence[int] | None) -> None:
    if cutoffs is not None:
        raise SettingsError(
            "tied output weights do not go with an adaptive softmax, whose clusters have weights "
            "of their own: choose one"
        )
    if output_size != embedding_size:
        raise SettingsError(
            f"tied output weights need equal widths, but the recurrent layer puts out "
            f"{output_size} features and a token has embedding_size {embedding_size}; make them "
            "equal or do not tie"
        )


def _check_cutoffs(cutoffs: Sequence[int], vocabulary_size: int) -> None:
    rising = list(cutoffs) == sorted(set(cutoffs))
    if not cutoffs or not rising or not cutoffs[0] > 0 or not cutoffs[-1] < vocabulary_size:
        raise SettingsError(
            f"adaptive_cutoffs must rise from above 0 to below the vocabulary's "
            f"{vocabulary_size} tokens, got {list(cutoffs)}"
        )


def _narrowing(output_size: int, clusters: int) -> float:
    """How many times narrower each cluster is: 4, or what leaves the last one a feature.

    torch would make clusters of no feature, whose tokens stay equally likely for ever. The factor
    keeps the last width from being rounded down to 0.
    """
    return min(4.0, output_size ** (1 / clusters) * (1 - 1e-9))
