"""The options of a Transformer, each once; a task that offers one has them among its settings."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ostinato.tasks.settings import CheckedModel, PositiveInteger

if TYPE_CHECKING:
    from ostinato.layers import TransformerOptions

HEADS = 8
TRANSFORMER_OPTIONS = ("heads", "feed_forward_size", "positions", "norm")
"""What says nothing about a recurrent net, and is refused there."""

RECURRENT_OPTIONS = (
    "cell",
    "locked_dropout",
    "recurrent_dropout",
    "zoneout",
    "weight_drop",
    "layer_norm",
    "residual",
    "learned_initial_state",
    "initialisation",
    "products",
    "recompute",
    "peepholes",
    "projection_size",
    "forget_bias",
    "reset",
)
"""What says nothing about a Transformer, and is refused there."""


class TransformerSettings(CheckedModel):
    """A Transformer's own sizes; its width is --hidden-size, its depth --layers."""

    heads: PositiveInteger | None = Field(
        None, description=f"Attentions side by side; transformer only. None: {HEADS}."
    )
    feed_forward_size: PositiveInteger | None = Field(
        None,
        description="Units of the network after each attention; transformer only. None: 4 times "
        "--hidden-size.",
    )
    positions: Literal["sinusoidal", "learned"] | None = Field(
        None, description="How places are told apart; transformer only. None: sinusoidal."
    )
    norm: Literal["pre", "post"] | None = Field(
        None,
        description="Normalise before each part of a block or after it (Vaswani 2017); transformer "
        "only. None: pre.",
    )


def refuse_recurrent_options(settings: Any) -> None:
    """Raise ValueError where a Transformer is given what only recurrent nets have.

    Args:
        settings: those of a task, with `model` "transformer".
    """
    fields = type(settings).model_fields
    for name in RECURRENT_OPTIONS:
        if name in fields and getattr(settings, name) != fields[name].default:
            raise ValueError(
                f"{name} is for recurrent nets, and a transformer is none: leave it out"
            )
    if settings.activation not in (None, "relu", "gelu"):
        raise ValueError(
            f"activation of a transformer must be relu or gelu, got {settings.activation!r}"
        )
    heads = settings.heads or HEADS
    if settings.hidden_size % heads:
        raise ValueError(
            f"the hidden_size of a transformer is shared evenly among its heads: {heads} heads do "
            f"not divide {settings.hidden_size}"
        )
    if settings.positions != "learned" and settings.hidden_size % 2:
        raise ValueError(
            f"sinusoidal positions need an even hidden_size, got {settings.hidden_size}; make it "
            "even, or choose positions learned"
        )


def refuse_transformer_options(settings: Any, more: tuple[str, ...] = ()) -> None:
    """Raise ValueError where a recurrent net is given what only a Transformer has.

    Args:
        settings: those of a task, with another `model` than "transformer".
        more: the task's own options that only a Transformer has.
    """
    for name in (*TRANSFORMER_OPTIONS, *more):
        if getattr(settings, name) is not None:
            raise ValueError(f"{name} is for --model transformer, not for {settings.model}")
    if settings.activation == "gelu":
        raise ValueError(f"activation gelu is for --model transformer, not for {settings.model}")


def transformer_options(settings: Any) -> "TransformerOptions":
    """The options of every block that the settings describe."""
    from ostinato.layers import TransformerOptions

    return TransformerOptions(
        settings.hidden_size,
        settings.heads or HEADS,
        settings.feed_forward_size,
        settings.norm or "pre",
        settings.activation or "relu",
        settings.dropout,
    )
