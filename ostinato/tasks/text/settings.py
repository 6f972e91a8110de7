"""What a person can choose about a language model of text."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ostinato.tasks.settings import CELLS, PositiveInteger, Rate, TrainingSettings
from ostinato.tasks.transformer_settings import (
    TransformerSettings,
    refuse_recurrent_options,
    refuse_transformer_options,
)


def _one_path_is_a_list_too(value: object) -> object:
    if isinstance(value, str | Path):
        return (str(value),)
    if isinstance(value, list | tuple):
        return tuple(str(path) if isinstance(path, Path) else path for path in value)
    return value


TextPathTuple = Annotated[tuple[str, ...], BeforeValidator(_one_path_is_a_list_too)]

_ONLY_FOR = {
    "peepholes": ("lstm",),
    "projection_size": ("lstm",),
    "forget_bias": ("lstm",),
    "reset": ("gru",),
    "activation": ("rnn", "feedforward"),
    "layer_norm": ("lstm", "gru", "rnn", "feedforward"),
}
"""Options of single cells; with any other cell they are refused."""


UNITS = {"characters": "character", "bytes": "byte", "words": "token", "bpe": "token"}
"""What a loss is of, in the singular, for each kind of token."""


class TextSettings(TransformerSettings, TrainingSettings):
    """Training of a language model: the text, its tokens, the model and its regularisation."""

    data: TextPathTuple = Field(
        min_length=1,
        description="Text to train on: files, folders, globs, or - for standard input; plain or "
        "gzip, UTF-8.",
    )
    valid: TextPathTuple = Field(
        (), description="Text to validate on. None given: a share of --data."
    )
    test: TextPathTuple = Field((), description="Text to test on. None given: a share of --data.")
    validation_fraction: Rate = Field(
        0.1, description="Share of --data kept for validation, where --valid gives none."
    )
    test_fraction: Rate = Field(
        0.0, description="Share of --data kept for the test, where --test gives none."
    )
    validation_tokens: PositiveInteger | None = Field(
        250_000,
        description="Tokens that a validation during training reads at most; `ostinato evaluate` "
        "reads all. None: all.",
    )
    tokens: Literal["characters", "bytes", "words", "bpe"] = Field(
        "characters",
        description="What a token is; words: between white space; bpe: frequent pieces of words.",
    )
    vocabulary_size: PositiveInteger | None = Field(
        None, description="Most tokens to tell apart. None: all there are; for bpe 8192."
    )
    minimum_count: PositiveInteger = Field(
        1, description="What is rarer than this in the training text counts as unknown."
    )
    document: Literal["file", "line", "paragraph"] = Field(
        "file", description="What is one text by itself; the model starts afresh at each."
    )
    replace_bad_bytes: bool = Field(
        False, description="Read bytes that are not UTF-8 as a replacement sign, not as an error."
    )
    cache_dir: Path | None = Field(
        None, description="Folder of tokenised texts. None: the usual cache of this user."
    )

    model: Literal["recurrent", "transformer"] = Field(
        "recurrent",
        description="The network: recurrent layers of --cell, or a transformer of --layers blocks "
        "(4 or more are usual).",
    )
    context: PositiveInteger | None = Field(
        None,
        description="Tokens that a transformer sees at most; beyond, it goes on from the last "
        "half. None: as --window, each window read by itself. More: what came before the window is "
        "seen, too.",
    )
    window: PositiveInteger = Field(
        128, description="Tokens that a gradient reaches back at most (backprop_steps)."
    )
    update_every: PositiveInteger | None = Field(
        None, description="Tokens of each sequence between two updates. None: as --window."
    )

    embedding_size: PositiveInteger | None = Field(
        None, description="Features of a token at the model's input. None: as the layers need."
    )
    tied: bool = Field(False, description="Use the embedding's weights for the output, too.")
    adaptive_cutoffs: tuple[PositiveInteger, ...] = Field(
        (), description="Adaptive softmax: token indices at which rarer clusters start, rising."
    )
    input_dropout: Rate = Field(
        0.0, description="Share of embedded features dropped, the same at all steps."
    )
    output_dropout: Rate = Field(
        0.0, description="Share of the last layer's features dropped, the same at all steps."
    )
    embedding_dropout: Rate = Field(
        0.0, description="Share of tokens whose whole embedding is dropped."
    )
    locked_dropout: bool = Field(
        False, description="Let --dropout drop the same features at all steps of a window."
    )
    recurrent_dropout: Rate = Field(
        0.0, description="Share of the hidden state dropped on its way to the next step."
    )
    zoneout: Rate = Field(0.0, description="Share of the state that keeps its previous value.")
    weight_drop: Rate = Field(0.0, description="Share of the recurrent weights dropped per window.")
    layer_norm: bool = Field(False, description="Normalise the preactivations within each layer.")
    residual: bool = Field(
        False, description="Add each layer's inputs to its outputs, from the second layer on."
    )
    learned_initial_state: bool = Field(
        False, description="Learn the state that a text starts from, instead of 0."
    )
    initialisation: Literal["orthogonal", "identity"] | None = Field(
        None, description="Recurrent weights at the start. None: the cell's own way."
    )
    products: Literal["float32", "bfloat16"] | None = Field(
        None,
        description="Numbers that recurrent layers multiply in; sums, states and gates stay "
        "float32. None: as --precision.",
    )
    recompute: bool = Field(
        False,
        description="Save memory on long windows: compute the steps of recurrent layers again for "
        "the gradient.",
    )
    peepholes: bool = Field(False, description="Let the gates see the memory; lstm only.")
    projection_size: PositiveInteger | None = Field(
        None, description="Project the hidden state to this many units; lstm only. None: do not."
    )
    forget_bias: float | None = Field(
        None, description="Bias of the forget gate at the start; lstm only. None: the cell's own."
    )
    reset: Literal["after", "before"] | None = Field(
        None,
        description="Reset after the recurrent product (as torch.nn) or before it (Cho 2014); gru "
        "only. None: after.",
    )
    activation: Literal["tanh", "relu", "sigmoid", "gelu"] | None = Field(
        None,
        description="Non-linearity of rnn and feedforward (tanh, relu, sigmoid; None: tanh), or of "
        "a transformer (relu, gelu; None: relu).",
    )

    @model_validator(mode="after")
    def _refuse_what_text_cannot_have(self) -> Self:
        if self.update_every is not None and self.update_every > self.window:
            raise ValueError(
                f"update_every must be at most window ({self.window}), got {self.update_every}"
            )
        if self.tied and self.adaptive_cutoffs:
            raise ValueError("tied output weights do not go with adaptive_cutoffs: choose one")
        self._refuse_unequal_widths()
        if list(self.adaptive_cutoffs) != sorted(set(self.adaptive_cutoffs)):
            raise ValueError(f"adaptive_cutoffs must rise, got {self.adaptive_cutoffs}")
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError(
                "validation_fraction and test_fraction leave nothing to train on: "
                f"{self.validation_fraction} + {self.test_fraction}"
            )
        if self.model == "transformer":
            self._check_transformer()
        else:
            self._check_recurrent()
        return self

    def _check_recurrent(self) -> None:
        refuse_transformer_options(self, more=("context",))
        for option, cells in _ONLY_FOR.items():
            if getattr(self, option) not in (None, False) and self.cell not in cells:
                raise ValueError(
                    f"{option} is for the cell {' and '.join(cells)}, not for {self.cell}"
                )

    def _check_transformer(self) -> None:
        refuse_recurrent_options(self)
        if self.embedding_size not in (None, self.hidden_size):
            raise ValueError(
                f"a transformer is as wide as its tokens: embedding_size must be hidden_size "
                f"({self.hidden_size}) or left out, got {self.embedding_size}"
            )
        if self.context is not None and self.context < self.window:
            raise ValueError(
                f"context must be at least window ({self.window}), got {self.context}: a window "
                "cannot see more than the context"
            )
        if self.seen_at_most < 2:
            raise ValueError("a transformer needs a window or context of at least 2 tokens")

    def _refuse_unequal_widths(self) -> None:
        """Known before any text is read, but for a cell of one's own."""
        output_size = self.projection_size or self.hidden_size
        tied_to = self.embedding_size if self.tied and self.cell in CELLS else None
        if tied_to not in (None, output_size):
            raise ValueError(
                f"tied output weights need equal widths, but embedding_size is {tied_to} and the "
                f"last layer puts out {output_size} features; make them equal or do not tie"
            )

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        return UNITS[self.tokens]

    @property
    def network(self) -> str:
        """The model in a word: its cell, or transformer."""
        return "transformer" if self.model == "transformer" else self.cell

    @property
    def seen_at_most(self) -> int:
        """`context`, or the window where that is None."""
        return self.window if self.context is None else self.context

    @property
    def carries_state(self) -> bool:
        """Whether a window goes on from the one before; else each is read by itself."""
        return self.model == "recurrent" or self.seen_at_most > self.window

    @property
    def steps_between_updates(self) -> int:
        """`update_every`, or the window where that is None."""
        return self.window if self.update_every is None else self.update_every
