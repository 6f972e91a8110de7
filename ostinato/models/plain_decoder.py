"""The decoder without attention (Sutskever 2014)."""

from collections.abc import Sequence

from torch import Tensor

from ostinato.errors import SettingsError
from ostinato.layers import LayerNoise, RecurrentLayer
from ostinato.models.decoder import RecurrentDecoder
from ostinato.models.decoder_options import DecoderOptions
from ostinato.models.sequence_memory import DecoderState, DecoderStep, Memory


class PlainDecoder(RecurrentDecoder):
    """Knows the source by its first state only.

        H_t = recurrent(E y_{t-1}, H_{t-1})        P(y_t) = softmax(W H_t + b)

    Args:
        vocabulary_size, embedding_size, recurrent, options: see `RecurrentDecoder`.

    Raises:
        SettingsError: parts or options that do not go together.

    Source: Sutskever, Vinyals and Le 2014.
    """

    one_pass = True
    context_feeds_state = False

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer,
        *,
        options: DecoderOptions | None = None,
    ) -> None:
        super().__init__(vocabulary_size, embedding_size, recurrent, None, options)
        if self.readout_size != recurrent.output_size:
            raise SettingsError(
                "a plain decoder has no readout between the recurrent layer and the vocabulary: "
                f"leave readout_size out, or make it {recurrent.output_size}"
            )

    def advance(
        self,
        embedded: Tensor,
        state: DecoderState,
        memory: Memory,
        noise: Sequence[LayerNoise],
        *,
        need_weights: bool,
    ) -> tuple[DecoderStep, DecoderState]:
        hidden, recurrent = self.recurrent.step(embedded, state.recurrent, noise=noise)
        after = state._replace(recurrent=recurrent, position=state.position + 1)
        return DecoderStep(embedded, hidden), after

    def read_at_once(
        self, embedded: Tensor, memory: Memory, lengths: Tensor | None, *, need_weights: bool
    ) -> DecoderStep:
        hidden, _ = self.recurrent(embedded, memory.start, lengths=lengths)
        return DecoderStep(embedded, hidden)

    def features(self, step: DecoderStep) -> Tensor:
        return step.hidden
