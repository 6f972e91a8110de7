"""Models: layers put together for a job."""

from ostinato.models.language_model import LanguageModel
from ostinato.models.locked_dropout import LockedDropout
from ostinato.models.transformer import Transformer, TransformerMemory

__all__ = ["LanguageModel", "LockedDropout", "Transformer", "TransformerMemory"]
