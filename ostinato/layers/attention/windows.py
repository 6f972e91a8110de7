"""Local attention: a window of the source around a position (Luong 2015)."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells import check_size
from ostinato.layers.attention.prepared import Prepared


class Window(nn.Module, ABC):
    """The part of the source that a step attends to: the positions [p_t - D, p_t + D].

    Positions and steps are counted from 1, as in the paper.

    Args:
        reach: D, in positions.
    """

    name: str = ""

    def __init__(self, reach: int) -> None:
        super().__init__()
        check_size("reach", reach)
        self.reach = reach

    @abstractmethod
    def centre(self, query: Tensor, positions: Tensor, prepared: Prepared) -> Tensor:
        """p_t (batch, steps), from queries (batch, steps, query size) and step numbers."""

    @abstractmethod
    def factor(self, distance: Tensor) -> Any:
        """What the weights are multiplied with, from s - p_t; None: nothing."""

    def forward(self, query: Tensor, positions: Tensor, prepared: Prepared) -> tuple[Tensor, Any]:
        """The window of each step.

        Args:
            query: (batch, steps, query size).
            positions: (batch, steps), the number of each step, from 0.
            prepared: the source.

        Returns:
            Booleans (batch, steps, source time), True inside; and the factor, or None.
        """
        centre = self.centre(query, positions, prepared).unsqueeze(-1)
        places = torch.arange(1, prepared.mask.shape[1] + 1, device=query.device)
        distance = places - centre
        return distance.abs() <= self.reach, self.factor(distance)

    def extra_repr(self) -> str:
        return f"reach={self.reach}"


class MonotonicWindow(Window):
    """The window moves on by a position a step, as where both languages have one order.

        p_t = t

    Past the end of the source it stays at the last position.

    Args:
        reach: D, in positions.

    Source: Luong, Pham and Manning 2015, section 3.2, "local-m".
    """

    name = "monotonic"

    def __init__(self, reach: int = 10) -> None:
        super().__init__(reach)

    def centre(self, query: Tensor, positions: Tensor, prepared: Prepared) -> Tensor:
        return torch.minimum(positions + 1, prepared.lengths.unsqueeze(1))

    def factor(self, distance: Tensor) -> None:
        return None


class PredictiveWindow(Window):
    """The query says where to look; a Gaussian favours what is near.

        p_t = S sigmoid(v . tanh(W q_t))                 S: the source's length
        weight(s) = softmax(score)(s) exp(-(s - p_t)^2 / (2 sigma^2)),   sigma = D / 2

    The weights are not divided by their sum afterwards, as in the paper: they add up to less
    than 1.

    Args:
        query_size: features of a query.
        reach: D, in positions.

    Source: Luong, Pham and Manning 2015, equations 9 and 10, "local-p".
    """

    name = "predictive"

    def __init__(self, query_size: int, reach: int = 10) -> None:
        super().__init__(reach)
        self.of_query = nn.Linear(query_size, query_size, bias=False)
        self.of_hidden = nn.Linear(query_size, 1, bias=False)

    def centre(self, query: Tensor, positions: Tensor, prepared: Prepared) -> Tensor:
        share = torch.sigmoid(self.of_hidden(torch.tanh(self.of_query(query))))
        return prepared.lengths.unsqueeze(1) * share.squeeze(-1)

    def factor(self, distance: Tensor) -> Tensor:
        deviation = self.reach / 2
        return torch.exp(-(distance**2) / (2 * deviation**2))
