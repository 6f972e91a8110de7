"""What a person can choose about a classifier."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.image_steps import ImageLayout, Steps
from ostinato.data.classification.reading import SampleFormat
from ostinato.tasks.settings import (
    PositiveInteger,
    PositiveNumber,
    Rate,
    TrainingSettings,
    refuse_unknown_cell,
)

CELLS = (
    "lstm",
    "gru",
    "rnn",
    "minimal-gated-unit",
    "ind-rnn",
    "sru",
    "slstm",
    "min-gru",
    "min-lstm",
)
_NORMALISED = ("lstm", "gru", "rnn")
_OF_ONE_CLASS, _OF_LABEL_SETS = ("accuracy", "balanced_accuracy"), ("micro_f1", "exact_match")
_STATELESS_PRODUCT = ("ind-rnn", "sru", "min-gru", "min-lstm")
"""Cells without a matrix product of the state, in which nothing could be dropped."""


class ClassificationSettings(TrainingSettings):
    """Training of a classifier: the samples, what is read of a step, the model."""

    data: Path = Field(
        description="Samples with a class each: .csv, .tsv, .jsonl or .parquet (a text a row; "
        "other tables by --series or --format), .ts, UCR's _TRAIN, MNIST's images-idx3, .ndjson of "
        "drawings, or a folder with a file (a text a line, or FASTA) or a folder of texts or image "
        "files for each class; may be .gz."
    )
    valid: Path | None = Field(None, description="As --data, to validate on. None: a share of it.")
    validation_fraction: Rate = Field(
        0.1,
        description="Share of each class kept for validation, where --valid gives none. 0: none.",
    )
    format: SampleFormat | None = Field(
        None,
        description="Of --data and --valid. documents: a text a row; wide: a series a row; long: a "
        "time step a row; strokes: a folder of drawings for each class. None: as their names tell.",
    )
    label: str | None = Field(
        None, description="Column of the classes. None: the one named label, class, ..., or left."
    )
    text: str | None = Field(
        None, description="Column of the texts. None: the one named text, ..., or left over."
    )
    series: str | None = Field(
        None, description="Of a table with a time step a row: the column that names the sample."
    )
    time: str | None = Field(
        None,
        description="Column of times, which must rise within a sample; the model does not read it.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        description="What stands between the labels of a sample that can have several or none, as "
        '"|"; each label is then told by itself. None: one class a sample.',
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Probability from which a label is given; with --separator."
    )
    image_steps: Steps = Field(
        "rows", description="What a step of an image is: a row, a pixel, or a square of pixels."
    )
    patch_size: PositiveInteger = Field(
        4, description="Side of such a square in pixels; with --image-steps patches."
    )
    image_size: PositiveInteger | None = Field(
        None,
        description="Side in pixels to which image files are scaled, as squares. None: not scaled.",
    )
    colour: bool = Field(
        False, description="Read image files in colour, three numbers a pixel. no: in grey."
    )

    tokens: Literal["characters", "bytes", "words", "bpe"] | None = Field(
        None,
        description="What a step of a text is. None: words where most texts have white space, "
        "else characters.",
    )
    vocabulary_size: PositiveInteger | None = Field(
        None, description="Most tokens to tell apart. None: all there are; for bpe 8192."
    )
    minimum_count: PositiveInteger = Field(
        1, description="What is rarer than this in the training texts counts as unknown."
    )
    lowercase: bool = Field(False, description="Read all letters of texts as small ones.")
    part_marks: bool = Field(
        False, description="Tell words from the punctuation marks beside them before anything."
    )
    token_dropout: Rate = Field(
        0.0, description="In training, share of a text's tokens that are read as unknown."
    )
    scale: bool = Field(
        True, description="Scale each feature of series to mean 0 and deviation 1 of the training."
    )
    fold: PositiveInteger = Field(
        1, description="Steps of a series that are read as one, side by side; shortens long ones."
    )
    permutation: int | None = Field(
        None,
        ge=0,
        description="Seed of a fixed order, kept with the run, in which the steps of every series "
        "are read, as in permuted MNIST; all must have as many. None: as they stand.",
    )

    embedding_size: PositiveInteger | None = Field(
        None,
        description="Features of a step. None: 64 of texts; the numbers of series as they are.",
    )
    cell: str = Field(
        "lstm", description=f"The cell: {', '.join(CELLS)}, or your own as FILE.py:Class."
    )
    bidirectional: bool = Field(
        True, description="Read each sample both ways. no: forward, so that classes come early."
    )
    hidden_size: PositiveInteger = Field(
        100, description="Units of each recurrent layer, in each direction."
    )
    read_out: Literal["last", "mean", "max", "attention"] = Field(
        "max",
        description="One vector from the outputs of all steps. last: those at each direction's "
        "last step; mean, max: over time; attention: mean by learnt weights.",
    )
    layer_norm: bool = Field(
        False, description="Normalise inside the cell (Ba 2016); lstm, gru and rnn."
    )
    forget_bias: float | None = Field(
        None, description="Bias of the forget gate at the start; lstm only. None: the cell's own."
    )
    dropout: Rate = Field(
        0.2,
        description="Share dropped of what the layers read, and of the vector read out, in "
        "training.",
    )
    recurrent_dropout: Rate = Field(
        0.0, description="Share of the state that a recurrent product does not see, in training."
    )
    class_weights: Literal["equal", "balanced"] = Field(
        "equal",
        description="In the loss. equal: each sample counts alike; balanced: each class does; with "
        "--separator: each label counts as much where it is as where it is not.",
    )
    label_smoothing: Rate = Field(
        0.0, description="Share of the truth spread over all classes in the loss, in training."
    )
    best_by: (
        Literal["accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "exact_match", "loss"]
        | None
    ) = Field(
        None,
        description="What makes a validation the best, whose weights are kept. None: accuracy; "
        "with --separator micro_f1.",
    )
    batch_size: PositiveInteger = Field(
        32, description="Samples in one update at most, over all processes together."
    )
    batch_steps: PositiveInteger = Field(
        65536, description="Steps in one update at most, padding included."
    )
    learning_rate: PositiveNumber = Field(3e-3, description="Step length of the updates.")

    @model_validator(mode="after")
    def _refuse_what_classification_cannot_have(self) -> Self:
        fields = type(self).model_fields
        default = fields["validation_fraction"].default
        if self.valid is not None and self.validation_fraction != default:
            raise ValueError("give valid or validation_fraction, not both")
        if self.time is not None and self.series is None:
            raise ValueError("time is for tables with a time step a row: give series, too")
        size = fields["patch_size"].default
        if self.patch_size != size and self.image_steps != "patches":
            raise ValueError("patch_size is for image_steps patches")
        if self.layer_norm and self.cell not in _NORMALISED:
            raise ValueError(f"layer_norm is for {', '.join(_NORMALISED)}, not for {self.cell}")
        if self.forget_bias is not None and self.cell != "lstm":
            raise ValueError(f"forget_bias is for the cell lstm, not for {self.cell}")
        if self.recurrent_dropout and self.cell in _STATELESS_PRODUCT:
            raise ValueError(
                f"recurrent_dropout drops what a recurrent product reads, and {self.cell} has none"
            )
        self._refuse_what_the_other_kind_of_labels_has()
        return self

    def _refuse_what_the_other_kind_of_labels_has(self) -> None:
        if (
            self.separator is None
            and self.threshold != type(self).model_fields["threshold"].default
        ):
            raise ValueError("threshold is for samples with several labels: give separator, too")
        others = _OF_ONE_CLASS if self.separator is not None else _OF_LABEL_SETS
        if self.best_by in others:
            what = "one class" if self.separator is not None else "several labels"
            raise ValueError(f"best_by {self.best_by} is for samples with {what}")

    def _check_cell(self) -> None:
        refuse_unknown_cell(self.cell, CELLS)

    @property
    def columns(self) -> Columns:
        """Which columns of a table hold what."""
        return Columns(self.text, self.label, self.series, self.time, self.separator)

    @property
    def images(self) -> ImageLayout:
        """How images are read."""
        return ImageLayout(self.image_steps, self.patch_size, self.image_size, self.colour)

    @property
    def merit(self) -> str:
        """The figure that makes a validation the best."""
        return self.best_by or ("accuracy" if self.separator is None else "micro_f1")

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        return "sample"


OF_TEXTS = (
    "tokens",
    "vocabulary_size",
    "minimum_count",
    "lowercase",
    "part_marks",
    "token_dropout",
)
OF_SERIES = ("scale", "fold", "permutation")
