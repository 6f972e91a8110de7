"""How the steps of one call meet those read before: what they see, and what is kept of them.

A *passage* is worked out once a call and serves every layer: the mask of what each step sees, and
the places where keys and values go. There are three:

    Passage       whole sequences, nothing carried
    Appended      steps after those in the cache; the usual way to read on
    Rearranged    steps among which some samples end or start afresh

The cache itself is a state, `KeyValueState`; functions return a new one and leave the old as it
was, but where `in_place` is asked for.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.layers.multi_head import PreparedKeys, mask_of_lengths
from ostinato.state import KeyValueState


@dataclass(frozen=True)
class Passage:
    """Whole sequences: each step sees those that `mask` and `causal` allow.

    Attributes:
        mask: booleans (batch or 1, query time or 1, key time), True = use. None: all.
        causal: step t sees the steps up to t alone.
    """

    mask: Tensor | None = None
    causal: bool = False

    def meet(
        self, cache: KeyValueState | None, own: PreparedKeys
    ) -> tuple[PreparedKeys, KeyValueState | None]:
        """The keys and values to attend to, and the cache afterwards.

        Args:
            cache: what was read before. None: nothing.
            own: keys and values of this call's own steps.
        """
        return own, None


@dataclass(frozen=True)
class Appended(Passage):
    """Steps after those in the cache, equally many for each sample.

    Attributes:
        places: where each step goes (batch, time): its sample's length and on.
        used: places to attend to: the longest sample's, this call's steps among them.
        in_place: write into the cache given. It must belong to nobody else.
    """

    places: Any = None
    used: int = 0
    in_place: bool = False

    def meet(
        self, cache: KeyValueState | None, own: PreparedKeys
    ) -> tuple[PreparedKeys, KeyValueState | None]:
        assert cache is not None
        keys, values = self.keep(cache.keys, own.keys), self.keep(cache.values, own.values)
        seen = PreparedKeys(keys[..., : self.used, :], values[..., : self.used, :])
        return seen, KeyValueState(keys, values, self.places[:, -1] + 1)

    def keep(self, old: Tensor, new: Tensor) -> Tensor:
        """`new` (batch, ..., time, size) written into `old` (batch, ..., capacity, size)."""
        between = (1,) * (new.dim() - 3)
        index = self.places.view(len(self.places), *between, -1, 1).expand_as(new)
        new = new.to(old.dtype)
        return old.scatter_(-2, index, new) if self.in_place else old.scatter(-2, index, new)


@dataclass(frozen=True)
class Rearranged(Passage):
    """Steps among which samples end or start afresh: the cache is gathered anew.

    Attributes:
        used: places of the cache that are attended to before this call's own steps; 0: none.
        sources: for each place of the new cache (batch, capacity), which of those attended to.
        length: taken places afterwards (batch,).
    """

    used: int = 0
    sources: Any = None
    length: Any = None

    def meet(
        self, cache: KeyValueState | None, own: PreparedKeys
    ) -> tuple[PreparedKeys, KeyValueState | None]:
        seen = own
        if cache is not None and self.used:
            before = (cache.keys[..., : self.used, :], cache.values[..., : self.used, :])
            joined = [
                torch.cat([old, new.to(old.dtype)], -2)
                for old, new in zip(before, own, strict=True)
            ]
            seen = PreparedKeys(*joined)
        return seen, KeyValueState(self._gather(seen.keys), self._gather(seen.values), self.length)

    def keep(self, old: Tensor | None, new: Tensor) -> Tensor:
        """The steps of `old` and `new` (batch, ..., time, size) that the new cache holds."""
        if old is not None and self.used:
            new = torch.cat([old[..., : self.used, :], new.to(old.dtype)], -2)
        return self._gather(new)

    def _gather(self, seen: Tensor) -> Tensor:
        between = (1,) * (seen.dim() - 3)
        capacity = self.sources.shape[1]
        index = self.sources.view(len(self.sources), *between, capacity, 1)
        return seen.gather(-2, index.expand(*seen.shape[:-2], capacity, seen.shape[-1]))


@dataclass(frozen=True)
class Started(Passage):
    """Steps from the beginning, equally many for each sample: nothing was before.

    Attributes:
        capacity: places of the cache that is made.
    """

    capacity: int = 0

    def meet(
        self, cache: KeyValueState | None, own: PreparedKeys
    ) -> tuple[PreparedKeys, KeyValueState | None]:
        batch, _, time, _ = own.keys.shape
        length = torch.full((batch,), time, device=own.keys.device)
        return own, KeyValueState(self.keep(None, own.keys), self.keep(None, own.values), length)

    def keep(self, old: Tensor | None, new: Tensor) -> Tensor:
        """`new` (batch, ..., time, size) with the places that are still free."""
        free = self.capacity - new.shape[-2]
        return F.pad(new, (0, 0, 0, free)) if free else new


def append(length: Tensor, time: int, *, in_place: bool = False) -> Appended:
    """The passage of `time` steps after caches of `length` (batch,) taken places."""
    shortest, longest = (int(bound) for bound in torch.aminmax(length))
    places = length.unsqueeze(1) + torch.arange(time, device=length.device)
    used = longest + time
    mask = None
    if time > 1 or shortest < longest:
        mask = torch.arange(used, device=length.device) <= places.unsqueeze(2)
    return Appended(mask, False, places, used, in_place)


def start_anew(time: int, resets: Tensor | None, length: Tensor) -> tuple[Tensor, Tensor]:
    """Where each step stands, and where what it may see began.

    Args:
        time: steps of this call.
        resets: booleans (batch, time), True = start afresh before this step. None: never.
        length: steps read before (batch,).

    Returns:
        The place of each step (batch, time), counted from its beginning; and the step of this call
        where that is (batch, time), -1 where it lies before this call.
    """
    steps = torch.arange(time, device=length.device).expand(len(length), time)
    if resets is None:
        return length.unsqueeze(1) + steps, torch.full_like(steps, -1)
    began = torch.where(resets, steps, -1).cummax(1).values
    return torch.where(began < 0, length.unsqueeze(1) + steps, steps - began), began


def rearrange(
    length: Tensor,
    time: int,
    capacity: int,
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
) -> tuple[Rearranged, Tensor]:
    """The passage of steps among which samples end or start afresh.

    Args:
        length: taken places of the cache (batch,).
        time: steps of this call.
        capacity: places of the cache afterwards.
        lengths: real steps of each sample (batch,), the others are padding. None: all.
        resets: booleans (batch, time), True = start afresh before this step. None: never.

    Returns:
        The passage, and the place of each step (batch, time).
    """
    device = length.device
    real = torch.full_like(length, time) if lengths is None else lengths.to(device)
    places, began = start_anew(time, resets, length)
    used = int(length.max())
    steps = torch.arange(time, device=device)
    own = (steps <= steps.unsqueeze(1)) & (began.unsqueeze(1) == began.unsqueeze(2))
    own = own & mask_of_lengths(real, time).unsqueeze(1)
    before = mask_of_lengths(length, used).unsqueeze(1) & (began < 0).unsqueeze(2)
    last = (real - 1).clamp(min=0).unsqueeze(1)
    after = torch.where(real > 0, places.gather(1, last).squeeze(1) + 1, length)
    start = torch.where(real.unsqueeze(1) > 0, began.gather(1, last), -1)
    slots = torch.arange(capacity, device=device).expand(len(length), capacity)
    kept = torch.where(slots < length.unsqueeze(1), slots, used + slots - length.unsqueeze(1))
    sources = torch.where(start < 0, kept, used + start + slots)
    sources = sources.clamp(0, used + time - 1)
    passage = Rearranged(torch.cat([before, own], 2), False, used, sources, after)
    return passage, places


def empty_cache(
    batch_size: int, heads: int, capacity: int, head_size: int, like: Tensor
) -> KeyValueState:
    """A cache with no place taken, of the type and on the device of `like`."""
    shape = (batch_size, heads, capacity, head_size)
    length = torch.zeros(batch_size, dtype=torch.long, device=like.device)
    return KeyValueState(like.new_zeros(shape), like.new_zeros(shape), length)


def with_capacity(cache: KeyValueState, capacity: int) -> KeyValueState:
    """The same cache with at least so many places; what stacks or replaces another needs as many.

    Example:
        >>> cache = empty_cache(2, 1, 4, 8, torch.zeros(1))
        >>> with_capacity(cache, 10).keys.shape
        torch.Size([2, 1, 10, 8])
    """
    more = capacity - cache.keys.shape[2]
    if more <= 0:
        return cache
    keys, values = (F.pad(part, (0, 0, 0, more)) for part in (cache.keys, cache.values))
    return KeyValueState(keys, values, cache.length)


def with_room(caches: tuple[KeyValueState, ...], time: int) -> tuple[KeyValueState, ...]:
    """The caches of all layers with places for `time` more steps; they grow by doubling."""
    capacity = caches[0].keys.shape[2]
    needed = int(caches[0].length.max()) + time
    if needed <= capacity:
        return caches
    return tuple(with_capacity(cache, max(needed, 2 * capacity)) for cache in caches)
