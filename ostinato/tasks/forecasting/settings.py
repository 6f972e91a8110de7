"""What a person can choose about a forecaster."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ostinato.data.forecasting.time_formats import TimeFormat
from ostinato.tasks.settings import (
    PositiveInteger,
    PositiveNumber,
    Rate,
    TrainingSettings,
    refuse_unknown_cell,
)

RECURRENT_CELLS = ("lstm", "gru", "rnn")


def _one_is_a_list_too(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


_OF_DRAWING = ("missing_decay", "distribution", "samples")
"""Options of the autoregressive model; with a windowed one they are refused."""
_OF_WINDOWS = ("loss",)
"""Options of windowed models."""

ColumnTuple = Annotated[tuple[str, ...], BeforeValidator(_one_is_a_list_too)]
PartTuple = Annotated[
    tuple[PositiveInteger, PositiveInteger, PositiveInteger],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]
QuantileTuple = Annotated[
    tuple[float, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


class ForecastingSettings(TrainingSettings):
    """Training of a forecaster: the table, its columns, the horizon and the model."""

    data: Path = Field(
        description="CSV, TSV or Parquet file whose first row names the columns, sorted by time. "
        "Several series in it stand one below the other, and --series names them."
    )
    time: ColumnTuple = Field(
        (),
        description="Column of time stamps: dates or whole numbers; or several, as one of days and "
        "one of hours, which are read with a space between. None given: the first column if it "
        "holds dates, else every row is a step.",
    )
    time_format: str | None = Field(
        None,
        description='How the dates are written, as "%d.%m.%Y %H:%M" (in the words of strftime), or '
        "unix or unix-ms for what is counted since 1970. None: as 2024-05-31 13:00 and its like.",
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
    static: ColumnTuple = Field(
        (),
        description="Columns that are constant in each series, as a region or a size: numbers, or "
        "words, of which each is a feature.",
    )
    horizon: PositiveInteger = Field(description="Steps to forecast.")
    history: PositiveInteger | None = Field(
        None,
        description="Steps that segments and direct see before a forecast, missing ones too; of "
        "autoregressive, how far back a gradient reaches: state is carried further. None: twice "
        "the horizon, at least a season and 24, at most 192.",
    )
    frequency: str | None = Field(
        None,
        description="A step, as 10min, 1h, 1d, 1w, 1mo. None: the most frequent distance of two "
        "rows; steps without a row are missing values.",
    )
    combine: Literal["mean", "sum", "last"] | None = Field(
        None,
        description="How several rows within one step of --frequency become one. None: every time "
        "stamp must be a step, and no two the same.",
    )
    season: PositiveInteger | None = Field(
        None,
        description="Steps after which the series about repeats. None: a day of minutes or hours, "
        "a week of days, a year of weeks or months, else 1.",
    )
    quantiles: QuantileTuple = Field(
        (0.1, 0.5, 0.9), description="Quantiles to print; the outer two bound the coverage."
    )
    model: Literal["autoregressive", "segments", "direct"] = Field(
        "autoregressive",
        description="autoregressive: expects each next value and draws paths (Salinas 2020); "
        "segments: reads and writes segments of each target by itself (Lin 2023); direct: encoder "
        "and decoder with attention, every step of the horizon at once.",
    )
    distribution: Literal["gaussian", "student-t", "negative-binomial"] = Field(
        "gaussian",
        description="Predictive distribution of each next value, autoregressive only. student-t: "
        "with heavier tails; negative-binomial: counts, which are not standardised.",
    )
    samples: PositiveInteger = Field(
        100, description="Paths that a forecast is made of; autoregressive only."
    )
    loss: Literal["quantile", "absolute", "squared"] = Field(
        "quantile",
        description="What segments and direct are trained by, over the whole horizon. quantile: "
        "the pinball loss of --quantiles; absolute, squared: the error of a point.",
    )
    normalisation: Literal["last", "reversible", "none"] = Field(
        "last",
        description="What a net reads a series relative to, beside its scale in training. last: "
        "the last value; reversible: mean and deviation of the window (Kim 2022), for segments "
        "and direct.",
    )
    missing_decay: bool = Field(
        False,
        description="Where values are missing, the last one seen and the state of the first layer "
        "fade with the steps since, by rates that are learned (Che 2018, GRU-D); autoregressive "
        "only.",
    )
    segment: PositiveInteger | None = Field(
        None,
        description="Steps of a segment. None: a fourth of history or horizon, whichever is "
        "shorter, at most 48.",
    )
    dropout: Rate = Field(
        0.0,
        description="Share dropped between layers; of segments and direct also before the output.",
    )
    split: PartTuple | None = Field(
        None,
        description="Steps of training, validation and test, from the first of all on; what comes "
        "later is left out. None: by the fractions.",
    )
    validation_fraction: Rate = Field(
        0.1, description="Share of the time, before the test, to validate on."
    )
    test_fraction: Rate = Field(
        0.2, description="Share of the time, at the end, that `ostinato backtest` judges by."
    )
    cell: str = Field("lstm", description="The cell: lstm, gru, rnn, or your own as FILE.py:Class.")
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
        self._refuse_options_of_another_model()
        if self.time_format is not None:
            TimeFormat(self.time_format)
        if self.combine is not None and self.frequency is None:
            raise ValueError("combine needs frequency: which rows are of one step")
        if self.static and self.series is None:
            raise ValueError("static columns tell series apart: give series, too")
        if self.initial_weights is not None:
            raise ValueError("initial_weights is not for forecasting yet: scales are of one table")
        return self

    def _refuse_options_of_another_model(self) -> None:
        if self.windowed:
            self._refuse_given(_OF_DRAWING, f"the model autoregressive, not for {self.model}")
        else:
            self._refuse_given(_OF_WINDOWS, "segments and direct, not for autoregressive")
            if self.normalisation == "reversible":
                raise ValueError(
                    "normalisation reversible is of a window, and the model autoregressive has "
                    "none: last or none"
                )
            if self.dropout and self.layers == 1:
                raise ValueError("dropout acts between layers and there is one layer only")
        if self.missing_decay and self.distribution == "negative-binomial":
            raise ValueError("missing_decay is towards the mean, which counts do not have at 0")
        if self.model == "segments":
            for name, given in (("known", self.known), ("static", self.static)):
                if given:
                    raise ValueError(f"the model segments reads no {name} columns; direct does")
            if self.hidden_size % 2:
                raise ValueError(
                    f"hidden_size must be even, for half of it says which segment it is and half "
                    f"which target, got {self.hidden_size}"
                )
        elif self.segment is not None:
            raise ValueError(f"segment is for the model segments, not for {self.model}")
        if self.split is not None:
            self._refuse_given(("validation_fraction", "test_fraction"), "a training without split")

    def _refuse_given(self, names: tuple[str, ...], of: str) -> None:
        for name in names:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is for {of}")

    def _check_cell(self) -> None:
        refuse_unknown_cell(self.cell, RECURRENT_CELLS)

    @property
    def unit(self) -> str:
        """What a loss is of, in the singular; a horizon value's is no likelihood."""
        return "horizon value" if self.windowed else "value"

    @property
    def windowed(self) -> bool:
        """Whether the model sees a fixed number of steps, and nothing is carried further."""
        return self.model != "autoregressive"
