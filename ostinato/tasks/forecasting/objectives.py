"""The losses that forecasters are trained by."""

from typing import Any

from torch import nn

from ostinato.data.forecasting.horizon_windows import HorizonWindow
from ostinato.data.forecasting.windows import ForecastWindow
from ostinato.models.forecaster import AutoregressiveForecaster, ForecastState
from ostinato.models.windowed_forecaster import WindowedForecaster
from ostinato.state import NoState, detach
from ostinato.training import WindowLoss


class StepObjective(nn.Module):
    """The loss of every value given all before it, with state carried from window to window.

    Args:
        model: the forecaster.
    """

    def __init__(self, model: AutoregressiveForecaster) -> None:
        super().__init__()
        self.model = model

    def initial_state(self, batch_size: int) -> ForecastState:
        """Nothing was read."""
        return self.model.initial_state(batch_size)

    def forward(self, window: ForecastWindow, carried: ForecastState | None) -> WindowLoss:
        """The losses of a window; what is carried on is cut from the graph."""
        parameters, state = self.model(window.inputs, window.seen, window.covariates, carried)
        losses = self.model.loss(parameters, window.inputs, window.seen)
        return WindowLoss(losses.sum(), losses.detach().sum(2), 0, detach(state))


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
