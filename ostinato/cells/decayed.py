"""A cell whose state fades with the time since its inputs were last seen."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.cell import Cell, check_size
from ostinato.state import map_state


class DecayedCell(Cell):
    """Any cell, with hidden state decay.

        gamma_t = exp(-max(0, W_g age_t + b_g))
        H_t     = cell(X_t, gamma_t * H_{t-1})

    age_t are the last `ages` features of an input step, the steps since each of so many values was
    seen; X_t are the features before them. Every part of the state decays, an LSTM's memory too.

    Args:
        cell: that reads X_t; each part of its state must have `hidden_size` numbers.
        ages: how many.

    Source: Che 2018 (GRU-D), equations 10 and 14; there around a GRU with the reset before.

    Example:
        >>> cell = DecayedCell(ostinato.GRUCell(3, 8, reset="before"), 2)
        >>> outputs, state = ostinato.Recurrent([cell])(torch.zeros(1, 4, 5))
    """

    def __init__(self, cell: Cell, ages: int) -> None:
        check_size("ages", ages)
        super().__init__(cell.input_size + ages, cell.hidden_size)
        self.ages = ages
        self.weight_decay = self.weight(cell.hidden_size, ages)
        self.bias_decay = self.weight(cell.hidden_size)
        self.cell = cell
        self.output_size, self.state_sizes = cell.output_size, cell.state_sizes

    def project(self, inputs: Tensor) -> Tensor:
        features, ages = inputs.split([self.cell.input_size, self.ages], -1)
        decay = torch.exp(-torch.relu(F.linear(ages, self.weight_decay, self.bias_decay)))
        return torch.cat([decay, self.cell.project(features)], -1)

    def step(self, projected: Tensor, hidden: Any, state: Any) -> tuple[Tensor, Any]:
        decay, projected = projected.split(
            [self.hidden_size, projected.shape[-1] - self.hidden_size], -1
        )
        faded = map_state(lambda part: part * decay, state)
        return self.cell.step(projected, hidden * decay, faded)
