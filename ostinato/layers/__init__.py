"""Layers: any cell over time, and what stands around it."""

from ostinato.layers.attention import (
    AdditiveScore,
    Attention,
    ContentScore,
    DotScore,
    GeneralScore,
    LocationScore,
    MonotonicWindow,
    PredictiveWindow,
    Prepared,
    Reinforce,
    ScaledDotScore,
    ScoreFunction,
    Window,
    build_score,
)
from ostinato.layers.causal_transformer import CausalTransformer, ContextState, ContextStepper
from ostinato.layers.conditional_random_field import LinearChainCRF
from ostinato.layers.dropout import Dropout, inverted_mask
from ostinato.layers.key_value_cache import with_capacity
from ostinato.layers.multi_head import (
    Attended,
    MultiHeadAttention,
    PreparedKeys,
    mask_of_lengths,
)
from ostinato.layers.named import GRU, LSTM, RNN, FeedForward
from ostinato.layers.noise import LayerNoise
from ostinato.layers.options import LayerOptions, check_rate
from ostinato.layers.pointer import Pointer
from ostinato.layers.positions import LearnedPositions, SinusoidalPositions, make_positions
from ostinato.layers.recurrent import AllStates, Recurrent, RecurrentLayer
from ostinato.layers.torch_adapter import TorchAdapter, replace
from ostinato.layers.torch_transformer_weights import (
    load_torch_transformer,
    torch_transformer_state_dict,
)
from ostinato.layers.torch_weights import load_torch_state_dict, torch_state_dict
from ostinato.layers.transformer_block import DecoderBlock, EncoderBlock
from ostinato.layers.transformer_options import TransformerOptions
from ostinato.layers.transformer_stack import TransformerDecoder, TransformerEncoder
from ostinato.layers.watch import watched

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AdditiveScore",
    "AllStates",
    "Attended",
    "Attention",
    "CausalTransformer",
    "ContentScore",
    "ContextState",
    "ContextStepper",
    "DecoderBlock",
    "DotScore",
    "Dropout",
    "EncoderBlock",
    "FeedForward",
    "GeneralScore",
    "LayerNoise",
    "LayerOptions",
    "LearnedPositions",
    "LinearChainCRF",
    "LocationScore",
    "MonotonicWindow",
    "MultiHeadAttention",
    "Pointer",
    "PredictiveWindow",
    "Prepared",
    "PreparedKeys",
    "Recurrent",
    "RecurrentLayer",
    "Reinforce",
    "ScaledDotScore",
    "ScoreFunction",
    "SinusoidalPositions",
    "TorchAdapter",
    "TransformerDecoder",
    "TransformerEncoder",
    "TransformerOptions",
    "Window",
    "build_score",
    "check_rate",
    "inverted_mask",
    "load_torch_state_dict",
    "load_torch_transformer",
    "make_positions",
    "mask_of_lengths",
    "replace",
    "torch_state_dict",
    "torch_transformer_state_dict",
    "watched",
    "with_capacity",
]
