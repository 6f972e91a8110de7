"""From settings to an encoder-decoder."""

from ostinato.data import PairCodec
from ostinato.layers import RecurrentLayer
from ostinato.layers.attention import (
    Attention,
    MonotonicWindow,
    PredictiveWindow,
    Window,
    build_score,
)
from ostinato.models import (
    BahdanauDecoder,
    Coverage,
    DecoderOptions,
    LuongDecoder,
    PlainDecoder,
    RecurrentDecoder,
    RecurrentEncoder,
    ScheduledSampling,
    SequenceToSequence,
    Transformer,
)
from ostinato.models.decoder import top_hidden_size
from ostinato.tasks.recurrent import build_stack
from ostinato.tasks.transformer_settings import transformer_options
from ostinato.tasks.translation.settings import TranslationSettings

Translator = SequenceToSequence | Transformer
"""What can translate: `encode`, `initial_state`, `next_step`, `loss`, `alignment`."""


def build(
    settings: TranslationSettings,
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    *,
    unknown_index: int | None = None,
) -> Translator:
    """The model that the settings describe, its weights drawn anew.

    Args:
        settings: of the run.
        source_vocabulary_size, target_vocabulary_size: tokens of each side.
        unknown_index: the target's token for what its vocabulary lacks, which a model that copies
            takes from the source. None: it lacks nothing.

    Raises:
        SettingsError: options that do not go together.
    """
    if settings.model == "transformer":
        return _transformer(settings, source_vocabulary_size, target_vocabulary_size)
    encoder = RecurrentEncoder(
        source_vocabulary_size,
        settings.embedding_size,
        _encoder_layer(settings),
        dropout=settings.dropout,
        reverse_source=settings.reverse_source,
    )
    options = _options(settings, unknown_index)
    decoder = _decoder(settings, target_vocabulary_size, encoder.output_size, options)
    return SequenceToSequence(encoder, decoder, label_smoothing=settings.label_smoothing)


def build_for(settings: TranslationSettings, codec: PairCodec) -> Translator:
    """The model for sentences that this codec encodes, its weights drawn anew."""
    return build(
        settings,
        codec.source.vocabulary_size,
        codec.target.vocabulary_size,
        unknown_index=codec.target.tokeniser.unknown_index,
    )


def extra_tokens(settings: TranslationSettings, unknown_index: int | None) -> int:
    """Words of its own that a source lends to its target: as many as it can have, if any."""
    return settings.longest if settings.copying and unknown_index is not None else 0


def attends(model: Translator) -> bool:
    """Whether the model looks at the source at each step, so that there are alignments."""
    return isinstance(model, Transformer) or model.decoder.attention is not None


def _transformer(settings: TranslationSettings, source_size: int, target_size: int) -> Transformer:
    positions = settings.positions or "sinusoidal"
    # A translation may be longer than any sentence that was learnt from.
    longest = longest_translation(settings.longest) + 1 if positions == "learned" else None
    return Transformer(
        source_size,
        target_size,
        transformer_options(settings),
        settings.layers,
        positions=positions,
        longest=longest,
        shared=settings.joint,
        tied=settings.tied,
        label_smoothing=settings.label_smoothing,
    )


def longest_translation(source_length: int) -> int:
    """Tokens that a translation may have: twice the source's and ten more."""
    return 2 * source_length + 10


def _encoder_layer(settings: TranslationSettings) -> RecurrentLayer:
    size = settings.hidden_size // 2 if settings.both_ways else settings.hidden_size
    return build_stack(
        settings,
        settings.embedding_size,
        settings.encoder_size or size,
        bidirectional=settings.both_ways,
    )


def _decoder(
    settings: TranslationSettings, vocabulary_size: int, value_size: int, options: DecoderOptions
) -> RecurrentDecoder:
    size = settings.embedding_size
    if settings.model == "plain":
        return PlainDecoder(vocabulary_size, size, _decoder_layer(settings, 0), options=options)
    if settings.decoder == "bahdanau":
        layer = _decoder_layer(settings, value_size)
        attention = _attention(settings, top_hidden_size(layer), value_size)
        return BahdanauDecoder(vocabulary_size, size, layer, attention, value_size, options=options)
    fed = (options.readout_size or settings.hidden_size) if settings.input_feeding else 0
    layer = _decoder_layer(settings, fed)
    return LuongDecoder(
        vocabulary_size,
        size,
        layer,
        _attention(settings, layer.output_size, value_size),
        value_size,
        input_feeding=settings.input_feeding,
        options=options,
    )


def _decoder_layer(settings: TranslationSettings, more: int) -> RecurrentLayer:
    return build_stack(settings, settings.embedding_size + more, settings.hidden_size)


def _attention(settings: TranslationSettings, query_size: int, key_size: int) -> Attention:
    score = build_score(
        settings.score,
        query_size,
        key_size,
        longest=settings.longest,
        coverage=settings.coverage,
    )
    return Attention(score, window=_window(settings, query_size), hard=settings.hard_attention)


def _window(settings: TranslationSettings, query_size: int) -> Window | None:
    if settings.attention_window == "global":
        return None
    if settings.attention_window == "monotonic":
        return MonotonicWindow(settings.reach)
    return PredictiveWindow(query_size, settings.reach)


def _options(settings: TranslationSettings, unknown_index: int | None) -> DecoderOptions:
    sampling = settings.scheduled_sampling
    # A plain decoder has no readout: there hidden_size itself must be the embedding's.
    tied_by_readout = settings.tied and settings.model == "attention"
    return DecoderOptions(
        dropout=settings.dropout,
        readout_size=settings.embedding_size if tied_by_readout else None,
        tied=settings.tied,
        copy=settings.copying,
        extra_tokens=extra_tokens(settings, unknown_index),
        unknown_index=unknown_index,
        coverage=Coverage() if settings.coverage else None,
        scheduled_sampling=None if sampling is None else ScheduledSampling(updates=sampling),
    )
