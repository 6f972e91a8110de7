"""The options that every training task shares, each once, with its meaning, unit and limits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ostinato.errors import SettingsError
from ostinato.tasks.names import nearest

# Strict: true is no 1, and "2" is no 2.
Rate = Annotated[float, Field(ge=0, lt=1, strict=True)]
"""A share of what is there: at least 0, less than 1."""
PositiveInteger = Annotated[int, Field(gt=0, strict=True)]
CountingInteger = Annotated[int, Field(ge=0, strict=True)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]

CELLS = ("lstm", "gru", "rnn", "feedforward")

_SERVES = {
    "step_size": ("schedule", ("step",)),
    "step_start": ("schedule", ("step",)),
    "plateau_patience": ("schedule", ("plateau",)),
    "final_rate": ("schedule", ("cosine",)),
    "decay": ("schedule", ("step", "plateau")),
    "averaging_patience": ("optimiser", ("asgd",)),
}
"""Options that only some choices of another option read."""


class CheckedModel(BaseModel):
    """Values that are checked when it is made, and fixed from then on.

    Raises:
        SettingsError: Everything that cannot be, in one message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # a type checker shall see the fields, not this catch-all

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise SettingsError(explain(error, type(self))) from None


class TrainingSettings(CheckedModel):
    """What one training run is, whatever it learns."""

    run: Path | None = Field(
        None, description="Folder of this run, new. None: runs/ and a name that is still free."
    )
    cell: str = Field(
        "lstm", description="The cell: lstm, gru, rnn, feedforward, or your own as FILE.py:Class."
    )
    hidden_size: PositiveInteger = Field(512, description="Units of each recurrent layer.")
    layers: PositiveInteger = Field(1, description="Recurrent layers, one on top of the other.")
    batch_size: PositiveInteger = Field(
        32, description="Sequences in one update, over all processes together."
    )
    updates: PositiveInteger | None = Field(
        None, description="Length of training in updates of the weights. None: as --epochs says."
    )
    epochs: PositiveNumber | None = Field(
        None, description="Length of training in passes over the data. Without either: 10."
    )
    dropout: Rate = Field(0.0, description="Share of a layer's outputs dropped before the next.")
    seed: CountingInteger = Field(0, description="Where all randomness of the run comes from.")
    seeds: PositiveInteger = Field(
        1, description="Runs to train, with seeds SEED, SEED + 1, ...; prints mean and deviation."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute. auto: the GPU if there is one."
    )
    threads: PositiveInteger | None = Field(
        None, description="Processor threads. None: as many as torch takes."
    )
    precision: Literal["32", "bf16"] = Field(
        "32", description="Arithmetic: 32-bit floats, or bfloat16 where it is safe."
    )
    optimiser: Literal["adamw", "sgd", "asgd"] = Field(
        "adamw", description="Rule of the updates. asgd: SGD that averages once it stops improving."
    )
    averaging_patience: PositiveInteger = Field(
        5, description="Validations that asgd looks back to see that it stopped improving."
    )
    learning_rate: PositiveNumber = Field(2e-3, description="Step length of the updates.")
    weight_decay: Annotated[float, Field(ge=0, strict=True)] = Field(
        0.0, description="Pull of the weights towards 0, relative to the learning rate."
    )
    momentum: Rate = Field(0.0, description="Share of the last update kept; for sgd and asgd.")
    schedule: Literal["constant", "cosine", "step", "plateau"] = Field(
        "constant",
        description="Learning rate over time. cosine: falls to the end. step: times --decay "
        "every --step-size updates. plateau: times --decay when validation stops improving.",
    )
    warm_up: CountingInteger = Field(
        0, description="Updates over which the learning rate first rises from 0."
    )
    step_size: PositiveInteger | None = Field(
        None, description="Updates between two decays of the step schedule."
    )
    step_start: CountingInteger | None = Field(
        None, description="Update of the first decay of the step schedule. None: --step-size."
    )
    plateau_patience: CountingInteger = Field(
        0, description="Validations without a new best that the plateau schedule lets pass."
    )
    final_rate: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        0.0, description="Where the cosine ends, as a share of --learning-rate."
    )
    decay: Annotated[float, Field(gt=0, lt=1, strict=True)] = Field(
        0.5, description="Factor of a decay, for the schedules step and plateau."
    )
    clip_norm: PositiveNumber | None = Field(
        1.0,
        description="Largest norm of the whole gradient; longer ones are scaled. None: no limit.",
    )
    clip_value: PositiveNumber | None = Field(
        None, description="Largest absolute value of one gradient entry. None: no limit."
    )
    micro_batches: PositiveInteger = Field(
        1, description="Parts into which a batch is cut to save memory; the update is the same."
    )
    patience: PositiveInteger | None = Field(
        None, description="Stop after this many validations without a new best. None: never."
    )
    validate_every: PositiveInteger | None = Field(
        None,
        description="Updates between two validations. None: ten in the run, or fewer where they "
        "would take more than about a fifth of the time.",
    )
    checkpoint_every: PositiveInteger | None = Field(
        None, description="Updates between two checkpoints. None: at each validation, at most 500."
    )
    workers: CountingInteger = Field(
        0, description="Extra processes that read data. 0: the training process reads itself."
    )
    initial_weights: Path | None = Field(
        None, description="Run whose weights this one starts from (fine-tuning). None: random ones."
    )

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _refuse_what_cannot_be(self) -> Self:
        if self.updates is not None and self.epochs is not None:
            raise ValueError("give updates or epochs, not both: each sets the length of training")
        if self.schedule == "step" and self.step_size is None:
            raise ValueError("the step schedule needs step_size, the updates between two decays")
        if self.momentum and self.optimiser == "adamw":
            raise ValueError("momentum is for sgd and asgd; adamw has its own")
        if self.micro_batches > self.batch_size:
            raise ValueError(
                f"micro_batches is {self.micro_batches}, but a batch holds only "
                f"{self.batch_size} sequences"
            )
        self._refuse_what_would_be_ignored()
        self._check_cell()
        return self

    def _refuse_what_would_be_ignored(self) -> None:
        """An option of one schedule or optimiser says nothing under another."""
        for name, (choice, wanted) in _SERVES.items():
            default = type(self).model_fields[name].default
            if getattr(self, name) != default and getattr(self, choice) not in wanted:
                raise ValueError(
                    f"{name} is for the {choice} {' and '.join(wanted)}, "
                    f"not for {getattr(self, choice)}"
                )

    def _check_cell(self) -> None:
        refuse_unknown_cell(self.cell, CELLS)


def refuse_unknown_cell(cell: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless a cell is one of those known, or named as FILE.py:Class."""
    file, separator, name = cell.rpartition(":")
    own = bool(separator) and file.endswith(".py") and name.isidentifier()
    if cell not in known and not own:
        raise ValueError(
            f"cell must be {', '.join(known)} or FILE.py:Class, got {cell!r}" + nearest(cell, known)
        )


def explain(error: ValidationError, settings_class: type[BaseModel]) -> str:
    """Every fault that pydantic found, one a line, in the words of these settings."""
    names = list(settings_class.model_fields)
    return "\n".join(dict.fromkeys(_fault(details, names) for details in error.errors()))


def _fault(details: ErrorDetails, names: list[str]) -> str:
    name = str(details["loc"][0]) if details["loc"] else ""
    if details["type"] == "extra_forbidden":
        return f"there is no setting {name!r}" + nearest(name, names)
    if details["type"] == "missing":
        return f"{name} is needed"
    return fault_of_value(details, name)


def fault_of_value(details: ErrorDetails, name: str) -> str:
    """What pydantic found wrong with the value of the setting `name`, in words."""
    if details["type"] == "too_short":  # only what names files has a least length
        return f"{name} needs at least one file or folder"
    if details["type"] == "value_error":
        return f"{details['ctx']['error']}" if "ctx" in details else details["msg"]
    wanted = details["msg"].removeprefix("Input should be ")
    return f"{name} must be {wanted}, got {details['input']!r}"
