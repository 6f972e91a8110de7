"""Learning rates against their closed forms."""

import pytest

from ostinato.training import Schedule


def test_schedules_follow_their_closed_forms() -> None:
    assert Schedule("constant", 10).factor(7) == 1.0
    assert Schedule("constant", 10, warm_up=3).factor(0) == 0.25
    cosine = Schedule("cosine", 10, warm_up=2)
    assert cosine.factor(2) == 1.0
    assert cosine.factor(6) == pytest.approx(0.5)
    assert cosine.factor(10) == pytest.approx(0.0)
    step = Schedule("step", 100, decay=0.5, every=10, start=20)
    assert [step.factor(update) for update in (19, 20, 29, 30)] == [1.0, 0.5, 0.5, 0.25]


def test_plateau_decays_after_its_patience() -> None:
    plateau = Schedule("plateau", 100, decay=0.1, patience=1)
    for loss in (3.0, 2.0, 2.5):
        plateau.validated(loss)
    assert plateau.factor(5) == 1.0
    plateau.validated(2.1)
    assert plateau.factor(5) == pytest.approx(0.1)
