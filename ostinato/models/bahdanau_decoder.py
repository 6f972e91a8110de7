"""The decoder whose next state depends on what it attends to (Bahdanau 2015)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import LayerNoise, RecurrentLayer
from ostinato.layers.attention import Attention
from ostinato.models.decoder import RecurrentDecoder, top_hidden_size
from ostinato.models.decoder_options import DecoderOptions
from ostinato.models.sequence_memory import DecoderState, DecoderStep, Memory


class BahdanauDecoder(RecurrentDecoder):
    """Attends with the state before the step, and reads what it saw in the step.

        c_t = attention(H_{t-1})
        H_t = recurrent([E y_{t-1}; c_t], H_{t-1})
        T_t = U_o H_t + V_o E y_{t-1} + C_o c_t           twice readout_size
        P(y_t) = softmax(W maxout(T_t) + b)               the larger of each pair

    Each state waits for the attention before it, so that a target is read step by step; the
    source's keys are projected once all the same.

    Args:
        vocabulary_size, embedding_size, options: see `RecurrentDecoder`.
        recurrent: reads embedding_size + value_size features.
        attention: with the last layer's hidden state as its query.
        value_size: features of a source position, the encoder's output_size.

    Raises:
        SettingsError: parts or options that do not go together; the message says which sizes fit.

    Source: Bahdanau, Cho and Bengio 2015, equations 4 to 6 and A.2.2. The readout there is written
    with H_{t-1}; equation 4 has the state after the step, as here.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer,
        attention: Attention,
        value_size: int,
        *,
        options: DecoderOptions | None = None,
    ) -> None:
        super().__init__(
            vocabulary_size,
            embedding_size,
            recurrent,
            attention,
            options,
            value_size=value_size,
            extra_input=value_size,
        )
        check_query(attention, top_hidden_size(recurrent))
        seen = recurrent.output_size + embedding_size + value_size
        self.readout = nn.Linear(seen, 2 * self.readout_size)

    def advance(
        self,
        embedded: Tensor,
        state: DecoderState,
        memory: Memory,
        noise: Sequence[LayerNoise],
        *,
        need_weights: bool,
    ) -> tuple[DecoderStep, DecoderState]:
        query = state.recurrent[-1][0]
        seen, coverage = self.look(query, state, memory, need_weights=need_weights)
        step_input = torch.cat([embedded, seen["context"]], -1)
        hidden, recurrent = self.recurrent.step(step_input, state.recurrent, noise=noise)
        after = DecoderState(recurrent, state.attentional, coverage, state.position + 1)
        return DecoderStep(embedded, hidden, **seen), after

    def features(self, step: DecoderStep) -> Tensor:
        seen = torch.cat([step.hidden, step.embedded, step.context], -1)
        return self.readout(seen).unflatten(-1, (self.readout_size, 2)).amax(-1)


def check_query(attention: Attention, query_size: int) -> None:
    """Raise SettingsError unless the attention is asked with so many features."""
    if attention.score.query_size != query_size:
        raise SettingsError(
            f"the decoder attends with {query_size} features, its hidden state, but the score has "
            f"query_size {attention.score.query_size}"
        )
