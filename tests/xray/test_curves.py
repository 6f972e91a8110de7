"""The picture of the losses says what the terminal says."""

import math
from typing import Any

import pytest

from ostinato.xray.curves import plot_losses

RECORDS: list[dict[str, Any]] = [
    {"update": 10, "nats_per_unit": math.log(8)},
    {"update": 10, "validation": {"nats_per_unit": math.log(4), "bits_per_character": 2.0}},
    {"update": 20, "nats_per_unit": math.log(4)},
    {"update": 20, "validation": {"nats_per_unit": math.log(2), "bits_per_character": 1.0}},
    {"update": 30, "validation": {"nats_per_unit": math.log(4), "bits_per_character": 2.0}},
]


@pytest.mark.parametrize("unit", ["character", "byte", "token"])
def test_losses_are_drawn_in_bits(unit: str) -> None:
    (axes,) = plot_losses(RECORDS, unit).axes
    training, validation = (list(line.get_ydata()) for line in axes.lines)
    assert axes.get_ylabel() == f"bits per {unit}"
    assert training == pytest.approx([3.0, 2.0])
    assert validation == pytest.approx([2.0, 1.0, 2.0])


def test_the_best_is_told_in_the_legend_where_it_covers_no_curve() -> None:
    (axes,) = plot_losses(RECORDS, "character").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "training",
        "validation, best 1.000 after update 20",
    ]
    assert len(axes.texts) == 0


def test_a_run_without_validation_is_drawn() -> None:
    (axes,) = plot_losses(RECORDS[:1], "token").axes
    assert len(axes.lines) == 1


def test_the_best_is_the_one_that_errs_least_where_a_task_names_its_error() -> None:
    errors = [
        {"validation": {"nats_per_unit": loss, "error": error}, "update": update}
        for update, loss, error in ((10, 0.2, 0.3), (20, 0.4, 0.1))
    ]
    (axes,) = plot_losses(errors, "token").axes
    (_, told) = axes.get_legend().get_texts()
    assert told.get_text().endswith("after update 20")
