"""How much of a sample is needed, by hand, and a picture that can be drawn."""

from pathlib import Path

import pytest

from ostinato.xray.early import draw_early, needed_share, plot_early

CURVE = [(0.25, 0.9), (0.5, 0.6), (0.75, 0.895), (1.0, 0.9)]


@pytest.mark.parametrize(("within", "needed"), [(0.01, 0.75), (0.001, 1.0), (0.5, 0.25)])
def test_a_merit_that_falls_once_more_is_not_enough(within: float, needed: float) -> None:
    assert needed_share(CURVE, within) == needed


def test_a_merit_that_never_changes_needs_the_smallest_share() -> None:
    assert needed_share([(0.5, 0.7), (1.0, 0.7)]) == 0.5


def test_the_picture_shows_the_curve_and_what_is_needed(tmp_path: Path) -> None:
    (axes,) = plot_early(CURVE, title="a $ b", measure="accuracy").axes
    assert axes.lines[1].get_xydata().tolist() == [list(point) for point in CURVE]
    assert axes.texts[0].get_text().startswith("75% of a sample")
    draw_early(CURVE, tmp_path / "new" / "early.png", title="", measure="accuracy")
    assert (tmp_path / "new" / "early.png").stat().st_size > 0
