"""NaN and infinity stop a run within one update, are named, and leave the last good checkpoint."""

import math
from pathlib import Path

import pytest
import torch
from small_models import SeriesWindows
from small_runs import make_trainer, weights

from ostinato.errors import TrainingError
from ostinato.training import Journal


def test_a_loss_that_is_not_a_number_stops_at_once_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    series = torch.randn(4, 30)
    series[2, 24] = float("nan")
    windows = SeriesWindows(series, 4, 4)
    trainer = make_trainer(tmp_path, windows=windows, checkpoint_every=2)
    with pytest.raises(TrainingError, match=r"update 6: the loss .* sample 2, step 3 of"):
        trainer.run()
    assert Journal(tmp_path).load().manifest["update"] == 4
    assert all(value.isfinite().all() for value in weights(trainer).values())


@pytest.mark.parametrize("figures", [{"perplexity": math.inf}, {"nats_per_unit": math.nan}])
def test_a_validation_that_is_not_finite_stops_and_is_no_checkpoint(
    tmp_path: Path, figures: dict[str, float]
) -> None:
    trainer = make_trainer(
        tmp_path, validate=lambda model: {"nats_per_unit": 800.0, **figures}, checkpoint_every=3
    )
    with pytest.raises(TrainingError, match=r"update 4: training diverged.*smaller learning rate"):
        trainer.run()
    assert Journal(tmp_path).load().manifest["update"] == 3
    assert "validation" not in Journal(tmp_path).metrics.last()


def test_an_input_that_is_infinite_is_named(tmp_path: Path) -> None:
    series = torch.randn(4, 30)
    series[1, 0] = float("inf")
    trainer = make_trainer(tmp_path, windows=SeriesWindows(series, 4, 4))
    with pytest.raises(TrainingError, match=r"update 1: an input .* sample 1, step 0"):
        trainer.run()
