"""Models: layers put together for a job."""

from ostinato.models.attention_pointing import AttentionPointing
from ostinato.models.bahdanau_decoder import BahdanauDecoder
from ostinato.models.bridge import Bridge
from ostinato.models.character_features import ConvolutionalSpelling, RecurrentSpelling
from ostinato.models.classifier import Classifier
from ostinato.models.column_features import ColumnFeatures
from ostinato.models.coverage import Coverage
from ostinato.models.decoder import RecurrentDecoder, top_hidden_size
from ostinato.models.decoder_options import DecoderOptions
from ostinato.models.encoder import RecurrentEncoder
from ostinato.models.label_smoothing import smoothed_losses
from ostinato.models.language_model import LanguageModel
from ostinato.models.locked_dropout import LockedDropout
from ostinato.models.luong_decoder import LuongDecoder
from ostinato.models.plain_decoder import PlainDecoder
from ostinato.models.pointer_generator import PointerGenerator
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import rules_for
from ostinato.models.recurrent_pointing import RecurrentPointing
from ostinato.models.scheduled_sampling import ScheduledSampling
from ostinato.models.sequence_memory import DecoderState, Encoded, Memory
from ostinato.models.sequence_to_sequence import SequenceToSequence
from ostinato.models.step_features import NumberSteps, TokenSteps
from ostinato.models.tagger import Tagger
from ostinato.models.transformer import Transformer, TransformerMemory
from ostinato.models.transformer_pointing import TransformerPointing
from ostinato.models.word_features import WordFeatures

__all__ = [
    "AttentionPointing",
    "BahdanauDecoder",
    "Bridge",
    "Classifier",
    "ColumnFeatures",
    "ConvolutionalSpelling",
    "Coverage",
    "DecoderOptions",
    "DecoderState",
    "Encoded",
    "LanguageModel",
    "LockedDropout",
    "LuongDecoder",
    "Memory",
    "NumberSteps",
    "PlainDecoder",
    "PointerGenerator",
    "PointerNetwork",
    "RecurrentDecoder",
    "RecurrentEncoder",
    "RecurrentPointing",
    "RecurrentSpelling",
    "ScheduledSampling",
    "SequenceToSequence",
    "Tagger",
    "TokenSteps",
    "Transformer",
    "TransformerMemory",
    "TransformerPointing",
    "WordFeatures",
    "rules_for",
    "smoothed_losses",
    "top_hidden_size",
]
