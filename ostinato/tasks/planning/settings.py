"""What a person can choose about a planner."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ostinato.data.planning.problems import PROBLEMS, Problem
from ostinato.errors import SettingsError
from ostinato.tasks.names import nearest
from ostinato.tasks.settings import PositiveInteger, PositiveNumber, TrainingSettings

RECURRENT_CELLS = ("lstm", "gru", "rnn")
UNITS = {"labels": "pointer", "rewards": "tour"}
"""What a loss is of, in the singular, for each way to train."""

_RECURRENT, _OF_BLOCKS = ("recurrent",), ("attention", "transformer")
_ONLY_FOR = {
    "layers": _RECURRENT,
    "glimpses": _RECURRENT,
    "cell": _RECURRENT,
    "blocks": _OF_BLOCKS,
    "heads": _OF_BLOCKS,
}
"""Options of some kinds of model; with another they are refused."""


class PlanningSettings(TrainingSettings):
    """Training of a planner: the problem, the sizes, the model, and what it learns from."""

    problem: Literal["convex-hull", "delaunay", "tsp", "sort"] = Field(
        description="What to plan. tsp: the shortest tour; sort: numbers, the simplest problem."
    )
    points: str = Field(
        "5-10", description="Points of an instance: a number, or fewest-most as 5-50."
    )
    train_with: Literal["labels", "rewards"] = Field(
        "labels",
        description="What to learn from: answers made while training, exact but for tours of more "
        "than 13 points; or, for tsp, the lengths of the planner's own tours.",
    )
    model: Literal["recurrent", "attention", "transformer"] = Field(
        "recurrent",
        description="recurrent: the pointer network of Vinyals 2015; transformer: the same with a "
        "Transformer reading and pointing; attention: the model of Kool 2019, for tsp and sort.",
    )
    cell: str = Field("lstm", description="Cell of the recurrent model: lstm, gru or rnn.")
    hidden_size: PositiveInteger = Field(256, description="Units of each layer, of any model.")
    blocks: PositiveInteger = Field(
        3, description="Blocks of the encoder; of the transformer, also of the decoder."
    )
    heads: PositiveInteger = Field(8, description="Heads of the attention; they divide the units.")
    glimpses: Annotated[int, Field(ge=0, strict=True)] = Field(
        0, description="Looks at the points before each pointer (Bello 2016); recurrent only."
    )
    clip_scores: PositiveNumber | None = Field(
        None,
        description="Largest score of a pointer, by tanh (Bello 2016 has 10). None: no limit; 10 "
        "for the attention model.",
    )
    batch_size: PositiveInteger = Field(
        128, description="Instances in one update, over all processes together."
    )
    epoch_size: PositiveInteger = Field(
        100_000,
        description="Examples that count as one pass: all are new. With rewards the planner to "
        "beat is chosen anew after each.",
    )
    learning_rate: PositiveNumber = Field(1e-3, description="Step length of the updates.")
    validation_instances: PositiveInteger = Field(
        500, description="Instances that a validation reads; the same ones for every run."
    )
    workers: Annotated[int, Field(ge=0, strict=True)] = Field(
        1, description="Extra processes that make examples. 0: the training process makes them."
    )
    cache_dir: Path | None = Field(
        None, description="Folder of the instances to test on. None: the usual cache of this user."
    )

    @field_validator("points")
    @classmethod
    def _refuse_no_sizes(cls, points: str) -> str:
        _sizes(points)
        return points

    @model_validator(mode="after")
    def _refuse_what_planning_cannot_have(self) -> Self:
        _refuse_too_few(self.sizes[0], PROBLEMS[self.problem], self.points)
        if self.train_with == "rewards" and self.problem != "tsp":
            raise ValueError(
                f"train_with rewards is for tsp, whose tours have a length; {self.problem} is "
                "trained with labels"
            )
        if self.model == "attention" and self.problem not in ("tsp", "sort"):
            raise ValueError(
                f"the attention model is for tsp and sort: it sees no order among the points, and "
                f"the answer to {self.problem} begins at the lowest number; use model transformer "
                "or recurrent"
            )
        if self.model in _OF_BLOCKS:
            self._refuse_uneven_heads()
        self._refuse_of_the_other_model()
        return self

    def _refuse_uneven_heads(self) -> None:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"heads must divide hidden_size ({self.hidden_size}), got {self.heads}"
            )
        if self.model == "transformer" and self.hidden_size % 2:
            raise ValueError(
                f"hidden_size must be even for the transformer, whose places are pairs of sine and "
                f"cosine, got {self.hidden_size}"
            )

    def _refuse_of_the_other_model(self) -> None:
        for name, models in _ONLY_FOR.items():
            default = type(self).model_fields[name].default
            if getattr(self, name) != default and self.model not in models:
                kinds = f"{' or '.join(models)} model"
                raise ValueError(f"{name} is for the {kinds}, not for {self.model}")
        if self.dropout and self.model == "recurrent" and self.layers == 1:
            raise ValueError("dropout acts between layers and there is one layer only")

    def _check_cell(self) -> None:
        if self.cell not in RECURRENT_CELLS:
            raise ValueError(
                f"cell must be {', '.join(RECURRENT_CELLS)}, got {self.cell!r}"
                + nearest(self.cell, RECURRENT_CELLS)
            )

    @property
    def kind(self) -> Problem:
        """The problem itself."""
        return PROBLEMS[self.problem]

    @property
    def sizes(self) -> tuple[int, int]:
        """Fewest and most points of an instance."""
        return _sizes(self.points)

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        return UNITS[self.train_with]


def sizes_of(points: str, problem: Problem) -> tuple[int, int]:
    """Fewest and most points that `points` says, as 10 or 5-50.

    Raises:
        SettingsError: it says something else, or less than the problem needs.
    """
    try:
        sizes = _sizes(points)
        _refuse_too_few(sizes[0], problem, points)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return sizes


def _refuse_too_few(fewest: int, problem: Problem, points: str) -> None:
    least = problem.least_points
    if fewest < least:
        raise ValueError(f"{problem.name} needs at least {least} points, got {points}")


def _sizes(points: str) -> tuple[int, int]:
    words = points.split("-")
    if not all(word.strip().isdecimal() for word in words) or len(words) > 2:
        raise ValueError(f"points must be a number or fewest-most, as 10 or 5-50, got {points!r}")
    fewest, most = int(words[0]), int(words[-1])
    if fewest > most:
        raise ValueError(f"points must be fewest-most, as 5-50, got {points!r}")
    return fewest, most
