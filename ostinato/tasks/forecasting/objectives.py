"""The losses that forecasters are trained by."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.data.forecasting.horizon_windows import HorizonWindow
from ostinato.data.forecasting.windows import ForecastWindow
from ostinato.models.forecaster import AutoregressiveForecaster, ForecastState
from ostinato.models.read_values import NEVER_SEEN
from ostinato.models.windowed_forecaster import WindowedForecaster
from ostinato.state import NoState, detach, select
from ostinato.training import WindowLoss


class StepObjective(nn.Module):
    """The loss of every value given all before it, and of paths drawn over the end of the window.

        L = sum_t -log p(z_t | z_1, .., z_{t-1}) + n C / A
        C = sum over the end of (|x - z| + |x' - z| - |x - x'|) / 2
        A = sum over the end of |x - z|, without gradient

    State is carried from window to window. Each step's own likelihood hardly notices a small push
    to one side, and over a horizon such pushes add up. So from where the end of the window begins,
    as many steps as the horizon but at most half of it, two paths x and x' are drawn, the gradient
    flows through all that was drawn, and C estimates their CRPS, of n values. Dividing by A makes
    it forget the scale of a series. Through counts no gradient flows: they have the likelihood
    alone.

    Args:
        model: the forecaster.
        horizon: steps.

    Source: Salinas 2020, equation 2, for the likelihood; Gneiting 2007, equation 21, for C.
    """

    def __init__(self, model: AutoregressiveForecaster, horizon: int) -> None:
        super().__init__()
        self.model = model
        self.horizon = horizon

    def initial_state(self, batch_size: int) -> ForecastState:
        """Nothing was read."""
        return self.model.initial_state(batch_size)

    def forward(self, window: ForecastWindow, carried: ForecastState | None) -> WindowLoss:
        """The losses of a window; what is carried on is cut from the graph."""
        time = window.inputs.shape[1]
        drawn = 0 if self.model.head.counts else min(self.horizon, time // 2)
        read = (window.inputs, window.seen, window.covariates)
        parameters, between, state = self.model.read_through(*read, carried, time - drawn)
        pushes = parameters.new_zeros(())
        if drawn:
            pushes = self._error_of_paths(between, *(part[:, time - drawn :] for part in read))
        losses = self.model.loss(parameters, window.inputs, window.seen)
        # The loss that is told stays one in nats.
        total = losses.sum() + pushes - pushes.detach()
        return WindowLoss(total, losses.detach().sum(2), 0, detach(state))

    def _error_of_paths(
        self, state: ForecastState, values: Tensor, seen: Tensor, covariates: Tensor
    ) -> Tensor:
        """n C / A."""
        rows = torch.arange(len(values), device=values.device).repeat(2)
        first, second = self.model.rollout(select(state, rows), covariates[rows]).chunk(2)
        errors = ((first - values).abs() + (second - values).abs() - (first - second).abs()) / 2
        counted = seen & (state.age < NEVER_SEEN).unsqueeze(1)
        total = torch.where(counted, errors, 0.0).sum()
        scale = torch.where(counted, (first - values).detach().abs(), 0.0).sum()
        return total / scale.clamp(min=1e-6) * counted.sum()


class HorizonObjective(nn.Module):
    """The loss of every value of the horizon; nothing is carried to the next batch.

    Args:
        model: the forecaster.
    """

    def __init__(self, model: WindowedForecaster) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> NoState:
        """Nothing is carried."""
        return NoState()

    def forward(self, window: HorizonWindow, carried: Any) -> WindowLoss:
        """The losses of a batch of windows; `carried` is not read."""
        outputs = self.model(window.inputs, window.seen, window.covariates, window.ahead)
        counted = window.counted.to(outputs.device, non_blocking=True)
        losses = self.model.loss(outputs, window.targets, counted)
        return WindowLoss(losses.sum(), losses.detach().sum(2), 0, NoState())
