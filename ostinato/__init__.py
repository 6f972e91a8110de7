"""Ostinato: recurrent and sequence models on PyTorch.

Every name below is imported when it is first used, so that `import ostinato` and the command line's
help do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostinato.cells import (
        Cell,
        FeedForwardCell,
        GRUCell,
        IndRNNCell,
        LinearRecurrenceCell,
        LSTMCell,
        MinGRUCell,
        MinimalGatedUnitCell,
        MinLSTMCell,
        RNNCell,
        SLSTMCell,
        SRUCell,
    )
    from ostinato.engine import onnx_translations, unroll
    from ostinato.errors import OstinatoError
    from ostinato.export import export_onnx
    from ostinato.layers import (
        GRU,
        LSTM,
        RNN,
        Attention,
        CausalTransformer,
        FeedForward,
        LinearChainCRF,
        Recurrent,
        replace,
    )
    from ostinato.models import (
        AttentionPointing,
        BahdanauDecoder,
        Classifier,
        Coverage,
        DecoderOptions,
        LanguageModel,
        LuongDecoder,
        NumberSteps,
        PlainDecoder,
        PointerNetwork,
        RecurrentEncoder,
        RecurrentPointing,
        ScheduledSampling,
        SequenceToSequence,
        Tagger,
        TokenSteps,
        Transformer,
        TransformerPointing,
        WordFeatures,
    )
    from ostinato.state import (
        Bidirectional,
        HiddenState,
        KeyValueState,
        LSTMState,
        MemoryState,
        NoState,
        SLSTMState,
        detach,
        reset,
        select,
        stack,
        unstack,
    )
    from ostinato.tasks.classification.task import load_classifier, train_classification
    from ostinato.tasks.forecasting.task import load_forecaster, train_forecasting
    from ostinato.tasks.planning.task import load_planner, train_planning
    from ostinato.tasks.tagging.task import load_tagger, train_tagging
    from ostinato.tasks.text.task import load_run, train_text
    from ostinato.tasks.translation.task import load_translator, train_translation

_HOMES = {
    "ostinato.cells": (
        "Cell",
        "FeedForwardCell",
        "GRUCell",
        "IndRNNCell",
        "LSTMCell",
        "LinearRecurrenceCell",
        "MinGRUCell",
        "MinLSTMCell",
        "MinimalGatedUnitCell",
        "RNNCell",
        "SLSTMCell",
        "SRUCell",
    ),
    "ostinato.engine": ("onnx_translations", "unroll"),
    "ostinato.errors": ("OstinatoError",),
    "ostinato.export": ("export_onnx",),
    "ostinato.layers": (
        "GRU",
        "LSTM",
        "RNN",
        "Attention",
        "CausalTransformer",
        "FeedForward",
        "LinearChainCRF",
        "Recurrent",
        "replace",
    ),
    "ostinato.models": (
        "BahdanauDecoder",
        "Classifier",
        "Coverage",
        "DecoderOptions",
        "LanguageModel",
        "LuongDecoder",
        "NumberSteps",
        "PlainDecoder",
        "RecurrentEncoder",
        "ScheduledSampling",
        "SequenceToSequence",
        "Tagger",
        "TokenSteps",
        "WordFeatures",
        "AttentionPointing",
        "PointerNetwork",
        "RecurrentPointing",
        "Transformer",
        "TransformerPointing",
    ),
    "ostinato.state": (
        "Bidirectional",
        "HiddenState",
        "KeyValueState",
        "LSTMState",
        "MemoryState",
        "NoState",
        "SLSTMState",
        "detach",
        "reset",
        "select",
        "stack",
        "unstack",
    ),
    "ostinato.tasks.classification.task": ("load_classifier", "train_classification"),
    "ostinato.tasks.forecasting.task": ("load_forecaster", "train_forecasting"),
    "ostinato.tasks.planning.task": ("load_planner", "train_planning"),
    "ostinato.tasks.tagging.task": ("load_tagger", "train_tagging"),
    "ostinato.tasks.text.task": ("load_run", "train_text"),
    "ostinato.tasks.translation.task": ("load_translator", "train_translation"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Attention",
    "AttentionPointing",
    "BahdanauDecoder",
    "Bidirectional",
    "CausalTransformer",
    "Cell",
    "Classifier",
    "Coverage",
    "DecoderOptions",
    "FeedForward",
    "FeedForwardCell",
    "GRUCell",
    "HiddenState",
    "IndRNNCell",
    "KeyValueState",
    "LSTMCell",
    "LSTMState",
    "LanguageModel",
    "LinearChainCRF",
    "LinearRecurrenceCell",
    "LuongDecoder",
    "MemoryState",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalGatedUnitCell",
    "NoState",
    "NumberSteps",
    "OstinatoError",
    "PlainDecoder",
    "PointerNetwork",
    "RNNCell",
    "Recurrent",
    "RecurrentEncoder",
    "RecurrentPointing",
    "SLSTMCell",
    "SLSTMState",
    "SRUCell",
    "ScheduledSampling",
    "SequenceToSequence",
    "Tagger",
    "TokenSteps",
    "Transformer",
    "TransformerPointing",
    "WordFeatures",
    "detach",
    "export_onnx",
    "load_classifier",
    "load_forecaster",
    "load_planner",
    "load_run",
    "load_tagger",
    "load_translator",
    "onnx_translations",
    "replace",
    "reset",
    "select",
    "stack",
    "train_classification",
    "train_forecasting",
    "train_planning",
    "train_tagging",
    "train_text",
    "train_translation",
    "unroll",
    "unstack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ostinato' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
