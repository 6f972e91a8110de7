"""Where a step stands, as features that are added to a Transformer's inputs."""

from typing import Literal

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError

PositionKind = Literal["sinusoidal", "learned"]


class SinusoidalPositions(nn.Module):
    """Sines and cosines of geometrically falling frequencies; no parameters, no longest length.

        P(p, 2i)     = sin(p / 10000^(2i / size))
        P(p, 2i + 1) = cos(p / 10000^(2i / size))

    Args:
        size: features of a step; even.

    Raises:
        SettingsError: an odd size.

    Example:
        >>> SinusoidalPositions(4)(torch.tensor([0, 1]))
        tensor([[0.0000, 1.0000, 0.0000, 1.0000],
                [0.8415, 0.5403, 0.0100, 0.9999]])

    Source: Vaswani 2017, section 3.5.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 2 or size % 2:
            raise SettingsError(
                f"sinusoidal positions are pairs of sine and cosine: the size must be even, got "
                f"{size}"
            )
        self.size = size

    def forward(self, places: Tensor) -> Tensor:
        """Features of the steps that stand at `places`.

        Args:
            places: integers from 0 on, of any shape; a stream goes on at its offset.

        Returns:
            (*places.shape, size), in torch's default type.
        """
        # In float64, as the angle of a place far on has too few digits left in float32.
        pairs = torch.arange(0, self.size, 2, device=places.device, dtype=torch.float64)
        angles = places.unsqueeze(-1) * 10_000.0 ** (-pairs / self.size)
        both = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
        return both.to(torch.get_default_dtype())


class LearnedPositions(nn.Module):
    """A vector of weights for each place, up to a longest length.

    Args:
        size: features of a step.
        longest: places that there are.

    Example:
        >>> LearnedPositions(8, longest=16)(torch.arange(5)).shape
        torch.Size([5, 8])

    Source: Gehring 2017, section 3.1.
    """

    def __init__(self, size: int, longest: int) -> None:
        super().__init__()
        self.longest = longest
        self.weight = nn.Parameter(torch.empty(longest, size))
        nn.init.normal_(self.weight, std=size**-0.5)

    def forward(self, places: Tensor) -> Tensor:
        """Features of the steps that stand at `places`.

        Args:
            places: integers from 0 to longest - 1, of any shape.

        Returns:
            (*places.shape, size).

        Raises:
            ShapeError: a place beyond the longest.
        """
        if places.numel() and int(places.max()) >= self.longest:
            raise ShapeError(
                f"there are {self.longest} learned positions, so that no sequence can be longer; "
                f"got one of {int(places.max()) + 1} steps: cut it, or use sinusoidal positions"
            )
        return self.weight[places]


def make_positions(kind: PositionKind, size: int, longest: int | None) -> nn.Module:
    """The positions of this kind.

    Raises:
        SettingsError: no such kind, or learned ones without a longest length.
    """
    if kind == "sinusoidal":
        return SinusoidalPositions(size)
    if kind != "learned":
        raise SettingsError(f"positions must be 'sinusoidal' or 'learned', got {kind!r}")
    if longest is None:
        raise SettingsError("learned positions need the longest length of a sequence")
    return LearnedPositions(size, longest)
