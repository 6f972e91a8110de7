"""Paths of many series drawn side by side, beside one series after the other.

    python benchmarks/many_series.py                    # as many series as M4 Hourly has
    python benchmarks/many_series.py --series 2000 --model direct

A net of 64 units with the weights that it begins with, whose speed is that of a trained one; one
thread. Both ways draw the same paths; the largest difference is told. Seconds are the processor's,
the fastest of the rounds, which alternate.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

import ostinato
from ostinato.models.direct_forecaster import DirectForecaster, direct_input_sizes
from ostinato.models.forecaster import AutoregressiveForecaster, input_size_for
from ostinato.models.windowed_forecaster import WindowSize
from ostinato.state import map_state, unstack
from ostinato.tasks.forecasting.reading import Forecaster, draw_paths

HIDDEN, HISTORY, SEASON = 64, 168, 24
DRAWN = ("gaussian", "student-t", "negative-binomial")


def forecaster(kind: str, horizon: int) -> Forecaster:
    if kind in DRAWN:
        layer = ostinato.LSTM(input_size_for(1, 0), HIDDEN)
        return AutoregressiveForecaster(layer, 1, 0, season=SEASON, distribution=kind).eval()
    size = WindowSize(HISTORY, horizon, 1, 0)
    encoder, decoder = (ostinato.LSTM(width, HIDDEN) for width in direct_input_sizes(size))
    return DirectForecaster(encoder, decoder, size, season=SEASON).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=414)
    parser.add_argument("--horizon", type=int, default=48)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=(*DRAWN, "direct"), default="gaussian")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = forecaster(options.model, options.horizon)
    state = map_state(torch.rand_like, model.initial_state(options.series))
    states = unstack(state)
    ahead = np.zeros((options.series, options.horizon, 0), dtype=np.float32)

    def together() -> np.ndarray:
        return draw_paths(model, state, ahead, options.samples, 0, each=True)

    def in_turn() -> np.ndarray:
        return np.concatenate(
            [draw_paths(model, own, ahead[:1], options.samples, 0) for own in states]
        )

    best: dict[Callable[[], np.ndarray], float] = {}
    found: dict[Callable[[], np.ndarray], np.ndarray] = {}
    for _ in range(options.rounds):
        for work in (in_turn, together):
            began = time.process_time()
            found[work] = work()
            seconds = time.process_time() - began
            best[work] = min(best.get(work, seconds), seconds)
    apart = float(np.abs(found[in_turn] - found[together]).max())
    print(
        f"{options.model}, {options.series} series, {options.horizon} steps: in turn "
        f"{best[in_turn]:.3f} s, together {best[together]:.3f} s, ratio "
        f"{best[in_turn] / best[together]:.2f}; largest difference {apart:.1e}"
    )


if __name__ == "__main__":
    main()
