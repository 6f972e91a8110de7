"""From settings to a classifier."""

from typing import Any

from ostinato.cells import (
    Cell,
    IndRNNCell,
    MinGRUCell,
    MinimalGatedUnitCell,
    MinLSTMCell,
    SLSTMCell,
    SRUCell,
)
from ostinato.data.classification.codec import SampleCodec, TextCodec
from ostinato.layers import GRU, LSTM, RNN, Recurrent, RecurrentLayer
from ostinato.models import Classifier, NumberSteps, TokenSteps
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.own_cell import build_own_cells, is_own_cell

EMBEDDING_SIZE = 64
_RELATIVES: dict[str, type[Cell]] = {
    "minimal-gated-unit": MinimalGatedUnitCell,
    "ind-rnn": IndRNNCell,
    "sru": SRUCell,
    "slstm": SLSTMCell,
    "min-gru": MinGRUCell,
    "min-lstm": MinLSTMCell,
}


def build(settings: ClassificationSettings, codec: SampleCodec) -> Classifier:
    """The classifier that the settings describe, its weights drawn anew.

    Args:
        settings: of the run.
        codec: knows how wide a step is, and how many samples each class has.

    Raises:
        SettingsError: options that do not go together.
    """
    features = _features(settings, codec)
    return Classifier(
        features,
        build_layer(settings, features.output_size),
        len(codec.classes),
        read_out=settings.read_out,
        dropout=settings.dropout,
        class_weights=_weights(codec) if settings.class_weights == "balanced" else None,
        label_smoothing=settings.label_smoothing,
        several=codec.separator is not None,
    )


def build_layer(settings: ClassificationSettings, input_size: int) -> RecurrentLayer:
    """The recurrent layer of the settings."""
    # One layer has nothing between: there dropout acts on features and the read-out alone.
    shared: dict[str, Any] = {
        "dropout": settings.dropout if settings.layers > 1 else 0.0,
        "recurrent_dropout": settings.recurrent_dropout,
    }
    if is_own_cell(settings.cell):
        both = settings.bidirectional
        stack = (input_size, settings.hidden_size, settings.layers)
        return Recurrent(*build_own_cells(settings.cell, *stack, bidirectional=both), **shared)
    if settings.cell in _RELATIVES:
        forward = _stack(settings, input_size)
        backward = _stack(settings, input_size) if settings.bidirectional else None
        return Recurrent(forward, backward, **shared)
    size = (input_size, settings.hidden_size, settings.layers, settings.bidirectional)
    norm = settings.layer_norm
    if settings.cell == "gru":
        return GRU(*size, layer_norm=norm, **shared)
    if settings.cell == "rnn":
        return RNN(*size, layer_norm=norm, **shared)
    return LSTM(*size, layer_norm=norm, forget_bias=settings.forget_bias, **shared)


def _stack(settings: ClassificationSettings, input_size: int) -> list[Cell]:
    make, ways = _RELATIVES[settings.cell], 1 + settings.bidirectional
    cells: list[Cell] = []
    for _ in range(settings.layers):
        cells.append(make(input_size, settings.hidden_size))  # pyright: ignore[reportCallIssue]
        input_size = ways * cells[-1].output_size
    return cells


def _features(settings: ClassificationSettings, codec: SampleCodec) -> TokenSteps | NumberSteps:
    if not isinstance(codec.inputs, TextCodec):
        return NumberSteps(codec.inputs.width, settings.embedding_size)
    tokeniser = codec.inputs.lines.tokeniser
    return TokenSteps(
        tokeniser.vocabulary_size,
        settings.embedding_size or EMBEDDING_SIZE,
        unknown_index=tokeniser.unknown_index,
        token_dropout=settings.token_dropout,
    )


def _weights(codec: SampleCodec) -> list[float]:
    """Inverse to how often a class stands, 1 on average over the training samples.

    Of labels how many samples are without one for each that has it.
    """
    total = codec.samples
    if codec.separator is not None:
        return [max(1, total - count) / count for count in codec.counts]
    return [total / (len(codec.counts) * count) for count in codec.counts]
