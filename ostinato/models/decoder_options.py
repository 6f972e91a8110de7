"""The options that every recurrent decoder shares, checked once."""

from dataclasses import dataclass

from ostinato.errors import SettingsError
from ostinato.layers import check_rate
from ostinato.models.coverage import Coverage
from ostinato.models.scheduled_sampling import ScheduledSampling


@dataclass(frozen=True)
class DecoderOptions:
    """What a decoder does beside its equations.

    Args:
        dropout: share dropped of the embedded token and of what the vocabulary's matrix reads,
            other features at each step.
        readout_size: features that the vocabulary's matrix reads. None: those of the recurrent
            layer's outputs. A plain decoder reads these outputs themselves and takes no other.
        tied: the vocabulary's matrix is the embedding's (Press 2017); readout_size must then be
            embedding_size.
        copy: tokens can also be copied from the source (See 2017); needs attention.
        extra_tokens: tokens beyond the vocabulary that can be copied, numbered from its size on.
        unknown_index: what encoder and decoder read in place of tokens beyond the vocabulary.
        coverage: what was attended to is remembered and read by the score, which must be an
            additive one made with coverage=True. None: not.
        scheduled_sampling: in training, read own tokens ever more often. None: the true ones.

    Raises:
        SettingsError: options that do not go together.
    """

    dropout: float = 0.0
    readout_size: int | None = None
    tied: bool = False
    copy: bool = False
    extra_tokens: int = 0
    unknown_index: int | None = None
    coverage: Coverage | None = None
    scheduled_sampling: ScheduledSampling | None = None

    def __post_init__(self) -> None:
        check_rate("dropout", self.dropout)
        if self.extra_tokens < 0:
            raise SettingsError(f"extra_tokens must be at least 0, got {self.extra_tokens}")
        if self.extra_tokens and not self.copy:
            raise SettingsError("extra_tokens can only be copied: set copy=True")
        if self.extra_tokens and self.unknown_index is None:
            raise SettingsError(
                "extra_tokens have no embedding: give unknown_index, the token read for them"
            )
