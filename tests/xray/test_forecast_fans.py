"""What stands below a forecast's picture."""

import numpy as np

from ostinato.xray.forecasts import Fan, plot_forecasts


def ticks(fan: Fan) -> tuple[list[str], str]:
    figure = plot_forecasts([fan], (0.1, 0.9))
    figure.canvas.draw()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    labels = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    return [label.get_text() for place, label in labels if low <= place <= high], axes.get_xlabel()


def fan(**changes) -> Fan:
    return Fan("v", np.arange(10.0), np.zeros((2, 5)), np.zeros(5), None, **changes)


def test_dated_steps_are_shown_by_their_dates() -> None:
    found, words = ticks(fan(label=lambda step: f"day {100 + step}"))
    assert words == ""
    assert "day 100" in found
    assert set(found) <= {f"day {100 + step}" for step in range(-9, 6)}


def test_steps_without_dates_are_counted_from_the_last_value() -> None:
    found, words = ticks(fan())
    assert words == "steps from the last value read"
    assert "0" in found


def test_round_steps_are_shown_where_there_are_some() -> None:
    found, _ = ticks(fan(label=lambda step: f"day {100 + step}", ticks=[-7, 0]))
    assert found == ["day 93", "day 100"]
