"""Small models and windows for the tests of training."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato import LSTM
from ostinato.data.window import Window, window_bounds, window_count


class SeriesModel(nn.Module):
    """Reads (batch, time, 1) and predicts the next value; the loss is the squared error."""

    def __init__(self, hidden_size: int = 5, **options: Any) -> None:
        super().__init__()
        self.recurrent = LSTM(1, hidden_size, **options)
        self.output = nn.Linear(hidden_size, 1)

    def initial_state(self, batch_size: int) -> Any:
        return self.recurrent.initial_state(batch_size)

    def forward(
        self, inputs: Tensor, state: Any = None, *, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        outputs, state = self.recurrent(inputs, state, resets=resets)
        return self.output(outputs), state

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.squeeze(2) - targets) ** 2


class SeriesWindows:
    """Windows over series (batch, time); the target of a step is the next value."""

    def __init__(
        self,
        series: Tensor,
        update_every: int,
        backprop_steps: int,
        *,
        resets: Tensor | None = None,
        masked: Tensor | None = None,
    ) -> None:
        self.series = series
        self.resets = resets
        self.masked = masked
        self.update_every = update_every
        self.backprop_steps = backprop_steps
        self.steps = series.shape[1] - 1

    def __len__(self) -> int:
        return window_count(self.steps, self.update_every)

    def __getitem__(self, index: int) -> Window:
        bounds = window_bounds(index, self.steps, self.update_every, self.backprop_steps)
        inside = slice(bounds.start, bounds.stop)
        targets = self.series[:, bounds.start + 1 : bounds.stop + 1]
        counted = torch.arange(bounds.start, bounds.stop) >= bounds.first_counted
        counted = counted.expand(self.series.shape[0], -1).clone()
        if self.masked is not None:
            counted &= ~self.masked[:, inside]
        return Window(
            inputs=self.series[:, inside].unsqueeze(2),
            targets=targets,
            counted=counted,
            resets=None if self.resets is None else self.resets[:, inside],
            advance=bounds.advance,
            fresh=bounds.start == 0,
            where="series",
            units=int(counted.sum()),
        )
