"""A window: the time steps that one update reads, and the arithmetic of where windows lie.

With u = `update_every` and b = `backprop_steps` >= u, update j of a sequence of L steps

    reads    [start, stop)    start = max(0, j u + u - b),  stop = min(j u + u, L)
    counts   [j u, stop)      the steps before are context: gradients pass through them,
              their losses do not count
    carries  the state before the next window's start, `advance` = next start - start steps
              into this one

so that every target counts in exactly one window, and its gradient reaches back between b - u and
b - 1 steps.

Source: Williams and Peng 1990, truncated backpropagation through time with h = b and h' = u.
"""

from typing import NamedTuple

from torch import Tensor

from ostinato.errors import SettingsError


class Window(NamedTuple):
    """What the training loop reads for one update.

    Attributes:
        inputs: (batch, time) or (batch, time, feature).
        targets: (batch, time).
        counted: (batch, time), boolean, True where the target's loss counts: not on context,
            padding, masked targets.
        resets: (batch, time), boolean, True = start afresh before this step; None where no step
            does.
        advance: The next window starts from the state after this many steps, 0 <= advance <= time.
        fresh: This window starts from the initial state.
        where: The place in the data, for messages.
        units: How many targets count.
    """

    inputs: Tensor
    targets: Tensor
    counted: Tensor
    resets: Tensor | None
    advance: int
    fresh: bool
    where: str
    units: int


class WindowBounds(NamedTuple):
    """Where one window lies in its sequence, in time steps; `start <= first_counted < stop`."""

    start: int
    first_counted: int
    stop: int
    advance: int


def window_count(length: int, update_every: int) -> int:
    """How many windows cover `length` steps; the last may be shorter."""
    return -(-length // update_every)


def window_bounds(index: int, length: int, update_every: int, backprop_steps: int) -> WindowBounds:
    """The place of window `index` of a sequence of `length` steps.

    Example:
        >>> window_bounds(2, length=10, update_every=2, backprop_steps=5)
        WindowBounds(start=1, first_counted=4, stop=6, advance=2)
    """
    first_counted = index * update_every
    after = first_counted + update_every
    start = max(0, after - backprop_steps)
    next_start = min(max(0, after + update_every - backprop_steps), length)
    return WindowBounds(start, first_counted, min(after, length), next_start - start)


def check_windows(update_every: int, backprop_steps: int) -> None:
    """Refuses windows that cannot be.

    Raises:
        SettingsError: `update_every` is below 1, or `backprop_steps` below `update_every`.
    """
    if update_every < 1:
        raise SettingsError(f"update_every must be at least 1 time step, not {update_every}")
    if backprop_steps < update_every:
        raise SettingsError(
            f"backprop_steps ({backprop_steps}) must be at least update_every ({update_every}): "
            "a window reads at least the steps that it counts"
        )
