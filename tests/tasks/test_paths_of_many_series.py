"""Paths of many series drawn side by side, against those of each by itself."""

import numpy as np
import pytest
import torch

import ostinato
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.segment_forecaster import SegmentForecaster
from ostinato.models.windowed_forecaster import WindowSize
from ostinato.state import map_state, unstack
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths

SERIES, COVARIATES, SAMPLES = 7, 3, 30


def autoregressive(distribution: str) -> Forecaster:
    layer = ostinato.GRU(input_size_for(2, COVARIATES), 5)
    made = AutoregressiveForecaster(layer, 2, COVARIATES, season=3, distribution=distribution)
    torch.nn.init.normal_(made.head.linear.weight, std=0.3)
    return made.eval()


def segments(_: str) -> Forecaster:
    return SegmentForecaster(ostinato.GRU(4, 4), WindowSize(8, 5, 2, COVARIATES), 4).eval()


@pytest.mark.parametrize(
    ("make", "distribution"),
    [
        (autoregressive, "gaussian"),
        (autoregressive, "student-t"),
        (autoregressive, "negative-binomial"),
        (segments, ""),
    ],
)
def test_each_of_many_series_has_the_paths_that_it_has_alone(
    make, distribution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    model = make(distribution)
    state = map_state(lambda part: torch.rand_like(part).round(decimals=1), model.initial_state(7))
    ahead = np.random.default_rng(0).normal(size=(SERIES, 5, COVARIATES)).astype(np.float32)
    alone = [
        draw_paths(model, own, ahead[place : place + 1], SAMPLES, 4)
        for place, own in enumerate(unstack(state))
    ]
    for together in (1000, 60):  # all at once, and two series at once
        monkeypatch.setattr("ostinato.tasks.forecasting.reading._PATHS_TOGETHER", together)
        found = draw_paths(model, state, ahead, SAMPLES, 4, each=True)
        np.testing.assert_allclose(found, np.concatenate(alone), rtol=1e-4, atol=1e-5)


def test_drawing_leaves_the_generator_where_it_was() -> None:
    torch.manual_seed(2)
    model, before = autoregressive("student-t"), torch.get_rng_state()
    ahead = np.zeros((2, 4, COVARIATES), dtype=np.float32)
    draw_paths(model, model.initial_state(2), ahead, SAMPLES, 0, each=True)
    assert torch.equal(torch.get_rng_state(), before)
