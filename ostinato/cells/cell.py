"""What every cell is: parameters, a state, the input's projection and one step."""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.engine import VendorForm
from ostinato.errors import SettingsError
from ostinato.state import HiddenState, map_state


class Cell(nn.Module, ABC):
    """One time step of a recurrent network. Subclass it to make your own; about ten lines do.

    A cell is unrolled over time, stacked, read both ways, reset, regularised and streamed by the
    layer around it (`ostinato.Recurrent`), with no code of its own for any of that.

    Args:
        input_size: features of one input step.
        hidden_size: hidden units; weights made by `weight` are drawn for this size.

    A subclass may set, after `super().__init__`:
        state_sizes: a named tuple with the size of each tensor of the state; the hidden state
            comes first. Default: `HiddenState(hidden_size)`.
        output_size: features of one output step. Default: hidden_size.
        recurrent_weights: the names of the parameters that multiply the previous hidden state
            (weight drop and orthogonal initialisation act on these). Default: `weight_hh` where
            the cell has a parameter of that name.

    Example:
        >>> class Elman(ostinato.Cell):
        ...     def __init__(self, input_size, hidden_size):
        ...         super().__init__(input_size, hidden_size)
        ...         self.weight_ih = self.weight(hidden_size, input_size)
        ...         self.weight_hh = self.weight(hidden_size, hidden_size)
        ...     def project(self, inputs):
        ...         return inputs @ self.weight_ih.T
        ...     def step(self, projected, hidden, state):
        ...         hidden = torch.tanh(projected + hidden @ self.weight_hh.T)
        ...         return hidden, ostinato.HiddenState(hidden)
        >>> layer = ostinato.Recurrent([Elman(3, 4), Elman(4, 4)])
        >>> outputs, state = layer(torch.zeros(2, 5, 3))
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        check_size("input_size", input_size)
        check_size("hidden_size", hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = hidden_size
        self.state_sizes: Any = HiddenState(hidden_size)

    def weight(self, *shape: int) -> nn.Parameter:
        """A parameter drawn uniformly from -k to k, k = 1 / sqrt(hidden_size), as in `torch.nn`."""
        bound = 1 / math.sqrt(self.hidden_size)
        return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))

    @property
    def recurrent_weights(self) -> tuple[str, ...]:
        """The names of the parameters that multiply the previous hidden state."""
        return ("weight_hh",) if "weight_hh" in self._parameters else ()

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step: zeros, (batch, size) for each of `state_sizes`."""
        like = next(iter(self._parameters.values()), None)
        if like is None:
            like = next(self.parameters(), torch.empty(()))
        return map_state(lambda size: like.new_zeros(batch_size, size), self.state_sizes)

    def project(self, inputs: Tensor) -> Tensor:
        """The part of a step that needs no state, done for all steps at once.

        Args:
            inputs: (..., input_size).

        Returns:
            (..., width), whatever width `step` expects. As it stands, the inputs themselves.
        """
        return inputs

    @abstractmethod
    def step(self, projected: Tensor, hidden: Any, state: Any) -> tuple[Tensor, Any]:
        """One time step.

        Args:
            projected: (batch, width), one step of what `project` returned.
            hidden: (batch, hidden), H_{t-1} as the recurrent product is to read it: with recurrent
                dropout in training, else the same as the state's first part.
            state: the state before this step.

        Returns:
            The step's output (batch, output_size) and the state after it. Where the output is a
            part of that state, as H_t is in most cells, return the very same tensor.
        """

    def vendor_form(self) -> VendorForm | None:
        """How torch's fused kernels compute the same, or None if they do not."""
        return None

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


def check_size(name: str, size: int) -> None:
    """Raise SettingsError unless `size` is a positive integer."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise SettingsError(f"{name} must be a positive integer, got {size!r}")
