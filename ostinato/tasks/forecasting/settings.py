"""What a person can choose about a forecaster."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ostinato.tasks.names import nearest
from ostinato.tasks.settings import PositiveInteger, PositiveNumber, Rate, TrainingSettings

RECURRENT_CELLS = ("lstm", "gru", "rnn")


def _one_is_a_list_too(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


ColumnTuple = Annotated[tuple[str, ...], BeforeValidator(_one_is_a_list_too)]
QuantileTuple = Annotated[
    tuple[float, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


class ForecastingSettings(TrainingSettings):
    """Training of a forecaster: the table, its columns, the horizon and the model."""

    data: Path = Field(
        description="CSV file whose first row names the columns, sorted by time. Several series "
        "in it stand one below the other, and --series names them."
    )
    time: str | None = Field(
        None,
        description="Column of time stamps: dates or whole numbers. None: the first column if it "
        "holds dates, else every row is a step.",
    )
    target: ColumnTuple = Field(
        (), description="Columns to forecast. None given: all that are nothing else."
    )
    series: str | None = Field(
        None, description="Column that says which series a row is of. None: there is one."
    )
    known: ColumnTuple = Field(
        (),
        description="Columns whose future is known, as holidays; a forecast needs rows for it, "
        "their targets empty.",
    )
    horizon: PositiveInteger = Field(description="Steps to forecast.")
    history: PositiveInteger | None = Field(
        None,
        description="Steps of a training window: how far back a gradient reaches. State is carried "
        "further. None: twice the horizon, at least a season and 24, at most 192.",
    )
    frequency: str | None = Field(
        None,
        description="A step, as 10min, 1h, 1d, 1w, 1mo. None: the most frequent distance of two "
        "rows; steps without a row are missing values.",
    )
    season: PositiveInteger | None = Field(
        None,
        description="Steps after which the series about repeats. None: a day of minutes or hours, "
        "a week of days, a year of weeks or months, else 1.",
    )
    quantiles: QuantileTuple = Field(
        (0.1, 0.5, 0.9), description="Quantiles to print; the outer two bound the coverage."
    )
    distribution: Literal["gaussian", "student-t"] = Field(
        "gaussian",
        description="Predictive distribution of each next value. student-t: with heavier tails.",
    )
    samples: PositiveInteger = Field(100, description="Paths that a forecast is made of.")
    validation_fraction: Rate = Field(
        0.1, description="Share of the time, before the test, to validate on."
    )
    test_fraction: Rate = Field(
        0.2, description="Share of the time, at the end, that `ostinato backtest` judges by."
    )
    cell: str = Field("lstm", description="The cell: lstm, gru or rnn.")
    hidden_size: PositiveInteger = Field(64, description="Units of each recurrent layer.")
    learning_rate: PositiveNumber = Field(3e-3, description="Step length of the updates.")

    @model_validator(mode="after")
    def _refuse_what_forecasting_cannot_have(self) -> Self:
        quantiles = self.quantiles
        inside = all(0 < one < 1 for one in quantiles)
        if len(quantiles) < 2 or not inside or list(quantiles) != sorted(set(quantiles)):
            raise ValueError(
                "quantiles must be at least two rising numbers between 0 and 1, got "
                f"{' '.join(map(str, quantiles)) or 'none'}"
            )
        if not 0 < self.validation_fraction + self.test_fraction < 1:
            raise ValueError(
                "validation_fraction and test_fraction together must leave a part to train on"
            )
        if self.dropout and self.layers == 1:
            raise ValueError("dropout acts between layers and there is one layer only")
        if self.initial_weights is not None:
            raise ValueError("initial_weights is not for forecasting yet: scales are of one table")
        return self

    def _check_cell(self) -> None:
        if self.cell not in RECURRENT_CELLS:
            raise ValueError(
                f"cell must be {', '.join(RECURRENT_CELLS)}, got {self.cell!r}"
                + nearest(self.cell, RECURRENT_CELLS)
            )

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular."""
        return "value"
