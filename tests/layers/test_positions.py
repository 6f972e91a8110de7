"""Positions: the equation, far on, and the end of what was learned."""

import math

import pytest
import torch

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import LearnedPositions, SinusoidalPositions, make_positions


@pytest.mark.parametrize("place", [0, 3, 1_000_003])
def test_sinusoidal_positions_are_the_equation_also_far_on(place: int) -> None:
    features = SinusoidalPositions(6)(torch.tensor(place))
    expected = [
        wave(place / 10_000 ** (2 * i / 6)) for i in range(3) for wave in (math.sin, math.cos)
    ]
    torch.testing.assert_close(features, torch.tensor(expected))


def test_a_stream_goes_on_at_its_offset() -> None:
    positions = SinusoidalPositions(8)
    whole, offsets = positions(torch.arange(12)), torch.tensor([[4], [7]])
    windows = positions(offsets + torch.arange(3))
    torch.testing.assert_close(windows, torch.stack([whole[4:7], whole[7:10]]))


def test_learned_positions_end() -> None:
    positions = LearnedPositions(4, longest=5)
    assert torch.equal(positions(torch.tensor([4, 0])), positions.weight[[4, 0]])
    with pytest.raises(ShapeError, match=r"there are 5 learned positions.*got one of 6 steps"):
        positions(torch.tensor([5]))


def test_an_odd_size_has_no_pairs() -> None:
    with pytest.raises(SettingsError, match="must be even, got 7"):
        SinusoidalPositions(7)


def test_learned_positions_without_a_longest_length_are_refused() -> None:
    with pytest.raises(SettingsError, match="need the longest length"):
        make_positions("learned", 8, None)
