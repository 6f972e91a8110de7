"""What a person can choose about a tagger."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ostinato.tasks.settings import (
    CountingInteger,
    PositiveInteger,
    PositiveNumber,
    Rate,
    TrainingSettings,
    refuse_unknown_cell,
)

CELLS = ("lstm", "gru", "rnn")
_OF_VECTORS = ("vector_words", "fixed_embeddings")
"""Options of pretrained vectors; without them they are refused."""


class TaggingSettings(TrainingSettings):
    """Training of a tagger: the sentences, what is read of a word, the model."""

    data: Path = Field(
        description="Sentences with a label for every token: .conllu, .conll (columns with white "
        "space between), .tsv (token, tab, label); an empty line between sentences; may be .gz."
    )
    valid: Path | None = Field(None, description="As --data, to validate on. None: a share of it.")
    validation_fraction: Rate = Field(
        0.1, description="Share of the sentences kept for validation, where --valid gives none."
    )
    format: Literal["conllu", "columns", "tsv"] | None = Field(
        None, description="Of --data and --valid. None: as their names end."
    )
    token_column: PositiveInteger | None = Field(
        None, description="Column of the tokens, from 1. None: the first; of CoNLL-U the form."
    )
    label_column: str | None = Field(
        None,
        description="Column of the labels, from 1; of CoNLL-U also by its name, as xpos. None: "
        "the last; of CoNLL-U upos.",
    )
    features: tuple[str, ...] = Field(
        (),
        description="More columns to read beside each token, as its part of speech: numbers from "
        "1; of CoNLL-U also names, as xpos. What is tagged later needs them, too.",
    )
    lowercase: bool = Field(
        True, description="Look words up in small letters; their characters keep their case."
    )
    digits_alike: bool = Field(True, description="Look every digit of a word up as 0.")
    minimum_count: PositiveInteger = Field(
        1, description="Words that are rarer than this in the training data are unknown."
    )
    word_dropout: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)] = Field(
        0.25,
        description="The a of: in training, a word that stands n times is read as unknown with "
        "probability a / (n + a).",
    )

    embedding_size: PositiveInteger | None = Field(
        None, description="Features of a word. None: 100, or as many as --embeddings has."
    )
    embeddings: Path | None = Field(
        None,
        description="Pretrained vectors as text: a line a word, then its numbers, with spaces "
        "between (GloVe, word2vec); may be .gz.",
    )
    vector_words: CountingInteger = Field(
        50_000,
        description="How many of the file's first words that are not in --data are known, too.",
    )
    fixed_embeddings: bool = Field(False, description="Leave the words' vectors as they are.")
    characters: Literal["recurrent", "convolution", "ignored"] = Field(
        "recurrent",
        description="What reads the characters of a word. recurrent: an LSTM both ways; "
        "convolution: three at a time; ignored: the word alone is read.",
    )
    character_size: PositiveInteger = Field(25, description="Features of a character.")
    spelling_size: PositiveInteger = Field(
        25, description="Units that read a word's characters (recurrent: in each direction)."
    )
    feature_size: PositiveInteger = Field(
        25, description="Features of what a column says; with --features."
    )
    cell: str = Field("lstm", description="The cell: lstm, gru, rnn, or your own as FILE.py:Class.")
    bidirectional: bool = Field(
        True, description="Read each sentence both ways. no: from its first token to its last."
    )
    hidden_size: PositiveInteger = Field(
        100, description="Units of each recurrent layer, in each direction."
    )
    output: Literal["crf", "softmax"] = Field(
        "crf",
        description="crf: the labels of a sentence are chosen together (a linear-chain "
        "conditional random field, Viterbi); softmax: each by itself.",
    )
    dropout: Rate = Field(
        0.5, description="Share dropped of what a layer reads, and of what the last puts out."
    )
    batch_size: PositiveInteger = Field(
        32, description="Sentences in one update at most, over all processes together."
    )
    batch_tokens: PositiveInteger = Field(
        4096, description="Tokens in one update at most, padding included."
    )
    learning_rate: PositiveNumber = Field(3e-3, description="Step length of the updates.")

    @model_validator(mode="after")
    def _refuse_what_tagging_cannot_have(self) -> Self:
        fields = type(self).model_fields
        for name in _OF_VECTORS:
            if self.embeddings is None and getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} is for pretrained vectors: give embeddings, too")
        for name in ("character_size", "spelling_size"):
            if self.characters == "ignored" and getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} is for a model that reads characters, and it reads none")
        if not self.features and self.feature_size != fields["feature_size"].default:
            raise ValueError("feature_size is for more columns beside the tokens: give features")
        if self.embeddings is not None and self.initial_weights is not None:
            raise ValueError("give embeddings or initial_weights, not both: each sets the words")
        if self.valid is not None and "validation_fraction" in self.model_fields_set:
            given = self.validation_fraction != fields["validation_fraction"].default
            if given:
                raise ValueError("give valid or validation_fraction, not both")
        return self

    def _check_cell(self) -> None:
        refuse_unknown_cell(self.cell, CELLS)

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        return "token"
