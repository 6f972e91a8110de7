"""The state carried between time steps, and the few functions that every feature is made of.

The state of a cell is a named tuple of tensors whose first axis is the batch. The state of a layer
is a tuple over its stacked layers, each entry a cell's state or, where the layer reads both ways,
`Bidirectional(forward, backward)`. The functions below work on any such nesting:

    truncated backpropagation     detach(state)
    beam search                   select(state, parents)
    episodes, documents           reset(state, where, initial_state)
    many sessions in one batch    stack(states), unstack(state)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ostinato.errors import ShapeError

State = TypeVar("State")


class NoState(NamedTuple):
    """The state of a cell that carries nothing, as a feed-forward network."""


class HiddenState(NamedTuple):
    """The state of a plain recurrent cell or a GRU: `hidden` (batch, hidden)."""

    hidden: Any


class LSTMState(NamedTuple):
    """The state of an LSTM: `hidden` H_t (batch, hidden) and `memory` C_t (batch, memory)."""

    hidden: Any
    memory: Any


class MemoryState(NamedTuple):
    """The state of an SRU: `memory` C_t (batch, hidden); no step reads the hidden state before."""

    memory: Any


class SLSTMState(NamedTuple):
    """The state of an sLSTM: `hidden` H_t, `memory` C_t, `normaliser` N_t, `stabiliser` M_t.

    Each is (batch, hidden). Memory and normaliser stand for themselves times exp(stabiliser).
    """

    hidden: Any
    memory: Any
    normaliser: Any
    stabiliser: Any


class KeyValueState(NamedTuple):
    """The cache of an attention that reads on: keys and values of the steps read so far.

    `keys` and `values` are (batch, heads, capacity, size of a head), `length` (batch,) is how many
    of the capacity's places are taken; what lies beyond means nothing.
    """

    keys: Any
    values: Any
    length: Any


class Bidirectional(NamedTuple):
    """A layer that reads both ways: the state of the `forward` and of the `backward` direction."""

    forward: Any
    backward: Any


def map_state(function: Callable[..., Any], state: State, *others: State) -> State:
    """Apply `function` to every tensor of `state` and to those at the same place in `others`.

    Example:
        >>> map_state(lambda size: size + 1, LSTMState(1, 2))
        LSTMState(hidden=2, memory=3)
    """
    if not isinstance(state, tuple):
        return function(state, *others)
    parts = [map_state(function, *parts) for parts in zip(state, *others, strict=True)]
    return rebuild(state, parts)


def rebuild(like: Any, parts: Iterable[Any]) -> Any:
    """A tuple of `parts`, of the same named kind as `like`."""
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def tensors(state: Any) -> list[Tensor]:
    """All tensors of `state`, in order.

    Example:
        >>> tensors((LSTMState(1, 2), Bidirectional(HiddenState(3), HiddenState(4))))
        [1, 2, 3, 4]
    """
    if not isinstance(state, tuple):
        return [state]
    return [tensor for part in state for tensor in tensors(part)]


def detach(state: State) -> State:
    """The same values, cut from the graph: no gradient flows back past here."""
    return map_state(lambda tensor: tensor.detach(), state)


def select(state: State, indices: Tensor | slice) -> State:
    """The samples at `indices` (integers (m,), or a slice), in that order, repeats allowed."""
    return map_state(lambda tensor: tensor[indices], state)


def reset(state: State, where: Tensor, initial_state: State) -> State:
    """`initial_state` for the samples where `where` (booleans (batch,)) is True, else `state`."""

    def replace(current: Tensor, initial: Tensor) -> Tensor:
        mask = where.reshape(where.shape + (1,) * (current.dim() - 1))
        return torch.where(mask, initial.to(current.dtype), current)

    return map_state(replace, state, initial_state)


def stack(states: Sequence[State]) -> State:
    """Several states as one batch, in order: batches of n and m samples give one of n + m.

    Raises:
        ShapeError: no states, or of different sizes.
    """
    if not states:
        raise ShapeError("stack() needs at least one state, got none")
    return map_state(_joined, *states)


def _joined(*parts: Tensor) -> Tensor:
    sizes = sorted({tuple(part.shape[1:]) for part in parts})
    if len(sizes) > 1:
        raise ShapeError(
            f"states of different sizes cannot be one batch, got {sizes[0]} and {sizes[1]} a "
            "sample; caches of different capacity: give them one by `layers.with_capacity` first"
        )
    return torch.cat(parts)


def unstack(state: Any) -> list[Any]:
    """Each sample of a batch as a state of its own, with a batch of one."""
    return [select(state, slice(row, row + 1)) for row in range(batch_size_of(state))]


def to_device(state: State, device: torch.device | str) -> State:
    """The same state on another device."""
    return map_state(lambda tensor: tensor.to(device), state)


def batch_size_of(state: Any) -> int:
    """The number of samples in `state`; 0 where it holds no tensor."""
    return next((tensor.shape[0] for tensor in tensors(state)), 0)
