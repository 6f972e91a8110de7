"""What all blocks of a Transformer share."""

from dataclasses import dataclass
from typing import Literal

from ostinato.errors import SettingsError
from ostinato.layers.multi_head import check_heads
from ostinato.layers.options import check_rate

NormPlace = Literal["pre", "post"]
BlockActivation = Literal["relu", "gelu"]


@dataclass(frozen=True)
class TransformerOptions:
    """Sizes of a block, and where it normalises.

    Args:
        size: features of a step, the same through all blocks.
        heads: attentions side by side; must divide `size`.
        feed_forward_size: units of the network after each attention. None: 4 times `size`.
        norm: "pre" normalises what each part reads (Xiong 2020), "post" each part's sum with what
            it read (Vaswani 2017).
        activation: of the feed-forward network.
        dropout: share dropped of attention weights, of the network's units, and of what each part
            adds.

    Raises:
        SettingsError: a value out of range, or heads that do not divide the size.
    """

    size: int
    heads: int = 8
    feed_forward_size: int | None = None
    norm: NormPlace = "pre"
    activation: BlockActivation = "relu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingsError(f"size must be at least 1, got {self.size}")
        check_heads(self.size, self.heads)
        check_rate("dropout", self.dropout)
        if self.feed_forward_size is not None and self.feed_forward_size < 1:
            raise SettingsError(
                f"feed_forward_size must be at least 1, got {self.feed_forward_size}"
            )
        if self.norm not in ("pre", "post"):
            raise SettingsError(f"norm must be 'pre' or 'post', got {self.norm!r}")
        if self.activation not in ("relu", "gelu"):
            raise SettingsError(f"activation must be 'relu' or 'gelu', got {self.activation!r}")

    @property
    def units(self) -> int:
        """Units of the feed-forward network."""
        return self.feed_forward_size or 4 * self.size

    @property
    def head_size(self) -> int:
        """Features of one head."""
        return self.size // self.heads
