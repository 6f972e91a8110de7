"""The decoder that attends after its recurrent step (Luong 2015)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.layers import LayerNoise, RecurrentLayer
from ostinato.layers.attention import Attention
from ostinato.models.bahdanau_decoder import check_query
from ostinato.models.decoder import RecurrentDecoder
from ostinato.models.decoder_options import DecoderOptions
from ostinato.models.sequence_memory import DecoderState, DecoderStep, Memory


class LuongDecoder(RecurrentDecoder):
    """Attends with the state after the step; the two together predict.

        H_t = recurrent(E y_{t-1}, H_{t-1})               with input feeding: [E y_{t-1}; H~_{t-1}]
        c_t = attention(H_t)
        H~_t = tanh(W_c [c_t; H_t])                       attentional vector
        P(y_t) = softmax(W H~_t + b)

    Without input feeding no state waits for attention: in training the recurrent layer reads the
    whole target in one pass, and one attention serves all its steps.

    Args:
        vocabulary_size, embedding_size, options: see `RecurrentDecoder`; readout_size is that of
            the attentional vector.
        recurrent: reads embedding_size features, with input feeding readout_size more.
        attention: with the layer's output as its query.
        value_size: features of a source position, the encoder's output_size.
        input_feeding: the next step also reads the attentional vector.

    Raises:
        SettingsError: parts or options that do not go together; the message says which sizes fit.

    Source: Luong, Pham and Manning 2015, equations 5 and 6, input feeding: section 3.3.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer,
        attention: Attention,
        value_size: int,
        *,
        input_feeding: bool = False,
        options: DecoderOptions | None = None,
    ) -> None:
        readout_size = (options and options.readout_size) or recurrent.output_size
        super().__init__(
            vocabulary_size,
            embedding_size,
            recurrent,
            attention,
            options,
            value_size=value_size,
            extra_input=readout_size if input_feeding else 0,
        )
        check_query(attention, recurrent.output_size)
        self.one_pass = not input_feeding
        self.context_feeds_state = input_feeding
        self.combine = nn.Linear(value_size + recurrent.output_size, readout_size, bias=False)

    def initial_attentional(self, batch_size: int) -> Any:
        if not self.context_feeds_state:
            return super().initial_attentional(batch_size)
        return self.output.weight.new_zeros(batch_size, self.readout_size)

    def advance(
        self,
        embedded: Tensor,
        state: DecoderState,
        memory: Memory,
        noise: Sequence[LayerNoise],
        *,
        need_weights: bool,
    ) -> tuple[DecoderStep, DecoderState]:
        fed = [embedded, state.attentional] if self.context_feeds_state else [embedded]
        step_input = torch.cat(fed, -1)
        hidden, recurrent = self.recurrent.step(step_input, state.recurrent, noise=noise)
        seen, coverage = self.look(hidden, state, memory, need_weights=need_weights)
        attentional = self._attentional(seen["context"], hidden)
        kept = attentional if self.context_feeds_state else state.attentional
        after = DecoderState(recurrent, kept, coverage, state.position + 1)
        return DecoderStep(embedded, hidden, attentional=attentional, **seen), after

    def read_at_once(
        self, embedded: Tensor, memory: Memory, lengths: Tensor | None, *, need_weights: bool
    ) -> DecoderStep:
        assert self.attention is not None
        hidden, _ = self.recurrent(embedded, memory.start, lengths=lengths)
        seen = self.attention.look(hidden, memory.prepared, need_weights=need_weights)
        attentional = self._attentional(seen.context, hidden)
        return DecoderStep(embedded, hidden, attentional=attentional, **seen._asdict())

    def features(self, step: DecoderStep) -> Tensor:
        return step.attentional

    def _attentional(self, context: Tensor, hidden: Tensor) -> Tensor:
        return torch.tanh(self.combine(torch.cat([context, hidden], -1)))
