"""The calibration error by hand, and a picture that can be drawn."""

from pathlib import Path

import numpy as np
import pytest

from ostinato.xray.calibration import calibration_error, draw_calibration, plot_calibration


def test_who_is_right_as_often_as_sure_has_no_error() -> None:
    sure, right = np.full(10, 0.7), np.arange(10) < 7
    assert calibration_error(sure, right) == pytest.approx(0)


def test_bins_are_weighed_by_their_samples() -> None:
    sure = np.array([0.95, 0.95, 0.95, 0.55])
    right = np.array([True, True, False, True])
    expected = 3 / 4 * (0.95 - 2 / 3) + 1 / 4 * (1 - 0.55)
    assert calibration_error(sure, right) == pytest.approx(expected)


def test_certainty_itself_falls_into_the_last_bin() -> None:
    assert calibration_error(np.ones(4), np.array([True, True, True, False])) == pytest.approx(0.25)


def test_the_picture_tells_the_error(tmp_path: Path) -> None:
    sure, right = np.array([0.95, 0.55]), np.array([True, False])
    figure = plot_calibration(sure, right, title="a $ b")
    assert figure.axes[0].texts[0].get_text().startswith("calibration error 30.0%")
    draw_calibration(sure, right, tmp_path / "new" / "calibration.png", title="")
    assert (tmp_path / "new" / "calibration.png").stat().st_size > 0
