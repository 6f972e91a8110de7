"""What a person can choose about a translation model."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ostinato.data.pair_layout import PairLayout
from ostinato.tasks.settings import (
    CountingInteger,
    PositiveInteger,
    PositiveNumber,
    Rate,
    TrainingSettings,
    refuse_unknown_cell,
)
from ostinato.tasks.transformer_settings import (
    TRANSFORMER_OPTIONS,
    TransformerSettings,
    refuse_recurrent_options,
)

CELLS = ("lstm", "gru", "rnn")
_OF_ATTENTION = (
    "decoder",
    "score",
    "attention_window",
    "reach",
    "hard_attention",
    "input_feeding",
    "coverage",
    "copying",
)
"""Options of the recurrent model with attention; with another they are refused."""
_OF_TABLES = ("source_column", "target_column", "history", "answers")
"""Options of the one file of pairs; with a file of each language they are refused."""
_OF_RECURRENT = (
    "cell",
    "encoder_size",
    "embedding_size",
    "bidirectional",
    "reverse_source",
    "scheduled_sampling",
    *_OF_ATTENTION,
)
"""Options of recurrent models; with a Transformer they are refused."""


class TranslationSettings(TrainingSettings, TransformerSettings):
    """Training of a translation model: the pairs, their tokens, the model."""

    source: Path | None = Field(
        None, description="Sentences to translate, one a line; plain or gzip, UTF-8."
    )
    target: Path | None = Field(
        None, description="Their translations: line n is that of line n of --source."
    )
    data: Path | None = Field(
        None,
        description="Pairs in one file, in place of both: .tsv (source, tab, target; further "
        'columns are not read) or .jsonl (objects with "source" and "target"); or dialogues, '
        '.jsonl (objects with "turns", each a speaker and a text). May be .gz.',
    )
    source_column: str | None = Field(
        None,
        description="Column of --data with the source: of a .tsv its number from 1, or its name in "
        'the first line; of a .jsonl its field. None: 1; "source". For the other direction give '
        "both columns.",
    )
    target_column: str | None = Field(
        None, description='As --source-column, with the target. None: 2; "target".'
    )
    history: CountingInteger | None = Field(
        None,
        description="Turns of a dialogue that are read before the turn to be answered. None: 2.",
    )
    answers: str | None = Field(
        None,
        description="Speaker whose turns of a dialogue are the answers to learn. None: whoever "
        "speaks second.",
    )
    valid_source: Path | None = Field(None, description="As --source, to validate on.")
    valid_target: Path | None = Field(None, description="As --target, to validate on.")
    valid: Path | None = Field(None, description="As --data, to validate on.")
    validation_fraction: Rate = Field(
        0.02, description="Share of the pairs kept for validation, where none are given for it."
    )

    tokens: Literal["characters", "bytes", "words", "bpe"] = Field(
        "bpe",
        description="What a token is; words: between white space; bpe: frequent pieces of words.",
    )
    vocabulary_size: PositiveInteger | None = Field(
        None, description="Most tokens to tell apart. None: all there are; for bpe 8192."
    )
    minimum_count: PositiveInteger = Field(
        1, description="What is rarer than this in the training pairs counts as unknown."
    )
    joint: bool = Field(
        False, description="One vocabulary for both languages, learnt from both together."
    )
    longest: PositiveInteger = Field(
        200, description="Tokens of a side; training pairs with more are left out, and counted."
    )
    batch_tokens: PositiveInteger = Field(
        2048,
        description="Tokens of either side in one update, padding included, over all processes.",
    )
    batch_size: PositiveInteger = Field(
        1024, description="Pairs in one update at most, where they are short."
    )

    model: Literal["attention", "plain", "transformer"] = Field(
        "attention",
        description="attention: recurrent, looks at the source at each step; plain: recurrent, "
        "knows it by the encoder's last state alone (Sutskever 2014); transformer: attention "
        "alone (Vaswani 2017).",
    )
    cell: str = Field(
        "lstm",
        description="Cell of encoder and decoder: lstm, gru, rnn, or your own as FILE.py:Class.",
    )
    hidden_size: PositiveInteger = Field(256, description="Units of each layer of the decoder.")
    encoder_size: PositiveInteger | None = Field(
        None,
        description="Units of each layer of the encoder, in each direction. None: as the decoder; "
        "half of it where it reads both ways.",
    )
    embedding_size: PositiveInteger = Field(256, description="Features of a token.")
    bidirectional: bool | None = Field(
        None, description="The encoder reads both ways. None: yes with attention, no without."
    )
    reverse_source: bool = Field(
        False, description="Read each source from its end (Sutskever 2014)."
    )
    tied: bool = Field(
        False, description="The output uses the target embedding's weights, too (Press 2017)."
    )
    decoder: Literal["bahdanau", "luong"] = Field(
        "luong",
        description="luong: attends after its step, all steps of a training target in one pass; "
        "bahdanau: before it, step by step.",
    )
    score: Literal["additive", "general", "dot", "scaled-dot", "content", "location"] = Field(
        "general", description="How well a position of the source fits the decoder's state."
    )
    attention_window: Literal["global", "monotonic", "predictive"] = Field(
        "global", description="Attend to the whole source, or to a part of it (Luong 2015)."
    )
    reach: PositiveInteger = Field(
        10, description="Positions on either side of the middle of an attention window."
    )
    hard_attention: bool = Field(
        False, description="Attend to one position, drawn in training (Xu 2015)."
    )
    input_feeding: bool = Field(
        False, description="The next step reads what was attended to; luong only, step by step."
    )
    coverage: bool = Field(
        False, description="Remember what was attended to (Tu 2016); additive score only."
    )
    copying: bool = Field(
        False,
        description="Tokens can be copied from the source, also those that the target's vocabulary "
        "lacks (See 2017).",
    )
    activation: Literal["relu", "gelu"] | None = Field(
        None, description="Non-linearity of the feed-forward network; transformer only. None: relu."
    )
    label_smoothing: Rate = Field(
        0.0, description="Share of the truth spread over the vocabulary, in training."
    )
    scheduled_sampling: PositiveNumber | None = Field(
        None,
        description="Read own tokens ever more often, falling over so many updates (Bengio 2015). "
        "None: always the true ones.",
    )

    @model_validator(mode="after")
    def _refuse_what_translation_cannot_have(self) -> Self:
        _refuse_half_a_corpus("", self.source, self.target, self.data, needed=True)
        _refuse_half_a_corpus("valid_", self.valid_source, self.valid_target, self.valid)
        self._refuse_layouts_that_cannot_be()
        self._refuse_options_of_another_model()
        if self.model == "transformer":
            return self
        if self.input_feeding and self.decoder != "luong":
            raise ValueError("input_feeding is for the decoder luong; bahdanau reads it anyway")
        if self.attention_window == "global" and self.reach != 10:
            raise ValueError("reach is for an attention_window, and this attention is global")
        if self.encoder_size is None and self.both_ways and self.hidden_size % 2:
            raise ValueError(
                f"hidden_size must be even, for the encoder has half of it each way, got "
                f"{self.hidden_size}; or give encoder_size"
            )
        if self.copying and self.tokens == "bpe" and not self.joint:
            raise ValueError(
                "copying needs the same pieces on both sides: give joint with bpe, or tokens words "
                "or characters"
            )
        return self

    def _refuse_layouts_that_cannot_be(self) -> None:
        given = [name for name in _OF_TABLES if getattr(self, name) is not None]
        if given and self.data is None:
            raise ValueError(f"{given[0]} is for data, not for source and target")
        if self.layout.names_columns and self.layout.is_of_dialogues:
            raise ValueError(f"{given[-1]} is for dialogues, which have no {given[0]}")

    def _refuse_options_of_another_model(self) -> None:
        if self.model == "plain":
            self._refuse_given(_OF_ATTENTION, "the model attention")
        if self.model != "transformer":
            self._refuse_given((*TRANSFORMER_OPTIONS, "activation"), "the model transformer")
            return
        self._refuse_given(_OF_RECURRENT, "recurrent models")
        refuse_recurrent_options(self)

    def _refuse_given(self, names: tuple[str, ...], of: str) -> None:
        for name in names:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is for {of}, not for {self.model}")

    def _check_cell(self) -> None:
        refuse_unknown_cell(self.cell, CELLS)

    @property
    def both_ways(self) -> bool:
        """Whether a recurrent encoder reads both ways."""
        return self.model == "attention" if self.bidirectional is None else self.bidirectional

    @property
    def layout(self) -> PairLayout:
        """Where the pairs are in their file."""
        return PairLayout(self.source_column, self.target_column, self.history, self.answers)

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        return "token"

    @property
    def validates(self) -> bool:
        """Whether there are pairs of their own to validate on."""
        return self.valid is not None or self.valid_source is not None


def _refuse_half_a_corpus(
    prefix: str,
    source: Path | None,
    target: Path | None,
    data: Path | None,
    *,
    needed: bool = False,
) -> None:
    table = "valid" if prefix else "data"
    if data is not None and (source is not None or target is not None):
        raise ValueError(f"give {table}, or {prefix}source and {prefix}target, not both")
    if (source is None) != (target is None):
        missing = f"{prefix}source" if source is None else f"{prefix}target"
        raise ValueError(f"{missing} is needed, too: one file of each language")
    if needed and data is None and source is None:
        raise ValueError("give source and target, one file of each language, or data, one of pairs")
