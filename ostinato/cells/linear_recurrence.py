"""Cells whose step is linear in the state, so that all steps can be computed in parallel."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from ostinato.cells.cell import Cell
from ostinato.state import HiddenState


class LinearRecurrenceCell(Cell):
    """A cell with the step

        H_t = A_t * H_{t-1} + B_t

    whose decay A_t and addition B_t come from the input X_t alone. Such a cell runs step by step
    like any other, or, with `engine="parallel"`, in a number of passes that grows with the
    logarithm of the number of steps. No weight multiplies the previous hidden state, so recurrent
    dropout and weight drop have nothing to act on.
    """

    @abstractmethod
    def linear_form(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        """The decay A and the addition B.

        Args:
            projected: (..., width), what `project` returned, of one step or of all.

        Returns:
            Two tensors (..., hidden_size), the decay within 0 and 1.
        """

    def step(
        self, projected: Tensor, hidden: Any, state: HiddenState
    ) -> tuple[Tensor, HiddenState]:
        decay, addition = self.linear_form(projected)
        following = decay * state.hidden + addition
        return following, HiddenState(following)


def positive(preactivation: Tensor) -> Tensor:
    """g(x) = x + 0.5 where x >= 0, else sigmoid(x): continuous and above zero (Feng 2024)."""
    above = preactivation + 0.5
    return torch.where(preactivation >= 0, above, torch.sigmoid(preactivation))
