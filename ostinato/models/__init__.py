"""Models: layers put together for a job."""

from ostinato.models.language_model import LanguageModel
from ostinato.models.locked_dropout import LockedDropout

__all__ = ["LanguageModel", "LockedDropout"]
