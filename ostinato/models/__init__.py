"""Models: layers put together for a job."""

from ostinato.models.attention_pointing import AttentionPointing
from ostinato.models.language_model import LanguageModel
from ostinato.models.locked_dropout import LockedDropout
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import rules_for
from ostinato.models.recurrent_pointing import RecurrentPointing
from ostinato.models.transformer import Transformer, TransformerMemory

__all__ = [
    "AttentionPointing",
    "LanguageModel",
    "LockedDropout",
    "PointerNetwork",
    "RecurrentPointing",
    "Transformer",
    "TransformerMemory",
    "rules_for",
]
