"""An epoch of batches of tagged sentences, each of sentences of about the same length."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ostinato.data.sorted_pools import lines_in_words, pooled_batches
from ostinato.data.tagging.part import UNSEEN, TaggedPart
from ostinato.errors import SettingsError


class TagWindow(NamedTuple):
    """Whole sentences: a window that carries no state to the next.

    Attributes:
        inputs: indices of words (batch, time), 0 behind a sentence's end.
        spellings: (batch, time), equal where two tokens are spelled alike, 0 behind the end.
        characters: (batch, time, character), their indices, 0 behind a token's end.
        features: (batch, time, column), indices of what more columns of the file say, 0 behind
            a sentence's end.
        targets: indices of labels (batch, time), 0 where they do not count.
        lengths: (batch,), the tokens of each sentence.
        counted: (batch, time), boolean, True where the loss counts: on all tokens of a sentence
            whose labels are all known, on none of another.
        rows: (batch,), the number of each sentence in its part.
        where: the place in the data, for messages.
        units: how many tokens count.
        fresh: a sentence never goes on from the one before.
    """

    inputs: Tensor
    spellings: Tensor
    characters: Tensor
    features: Tensor
    targets: Tensor
    lengths: Tensor
    counted: Tensor
    rows: Tensor
    where: str
    units: int
    fresh: bool = True


class TagBatches(Dataset[TagWindow]):
    """The batches of one epoch: every sentence once, in an order that (seed, epoch) alone decides.

    Sentences in random order are cut into pools, a pool is sorted by length and cut into batches,
    and the batches of all pools are shuffled. With several processes, each reads its own rows of
    the same batch; one for which a batch has no row reads the first, uncounted.

    Args:
        part: the sentences.
        tokens: of a batch over all processes, padding included; a longer sentence is a batch by
            itself.
        sentences: of a batch at most.
        seed, epoch: decide the order. No seed: sorted by length, for evaluation.
        rank: this process, from 0.
        world_size: number of processes.

    Raises:
        SettingsError: limits that cannot be.
    """

    def __init__(
        self,
        part: TaggedPart,
        *,
        tokens: int,
        sentences: int,
        seed: int | None = None,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if tokens < 1 or sentences < 1:
            raise SettingsError(
                f"a batch needs at least 1 token and 1 sentence, not {tokens} and {sentences}"
            )
        self.part = part
        self.rank = rank
        self.world_size = world_size
        self.lengths = part.words.lengths[:, None]
        generator = None if seed is None else np.random.default_rng([seed, epoch])
        self.batches = pooled_batches(self.lengths, tokens, sentences, generator)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> TagWindow:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of an epoch of {len(self)}")
        batch = self.batches[index]
        mine = batch[self.rank :: self.world_size]
        window = _window(self.part, mine if len(mine) else batch[:1])
        if len(mine):
            return window
        return window._replace(counted=window.counted & False, units=0)

    @property
    def padding_share(self) -> float:
        """The share of all positions that is padding."""
        positions = sum(len(batch) * self.lengths[batch].max() for batch in self.batches)
        return 1 - float(self.lengths.sum() / positions)


def _window(part: TaggedPart, rows: NDArray[np.int64]) -> TagWindow:
    words, real = part.words.padded(rows)
    spellings, _ = part.spellings.padded(rows)
    labels, _ = part.labels.padded(rows)
    known = (labels != UNSEEN).all(1, keepdims=True)
    counted = real & known
    return TagWindow(
        inputs=torch.from_numpy(words),
        spellings=torch.from_numpy(spellings),
        characters=torch.from_numpy(_characters(part, spellings)),
        features=torch.from_numpy(part.features.padded(rows)[0]),
        targets=torch.from_numpy(np.where(counted, labels, 0)),
        lengths=torch.from_numpy(part.words.lengths[rows]),
        counted=torch.from_numpy(counted),
        rows=torch.from_numpy(rows),
        where=f"{part.name}, {lines_in_words(part.lines[rows])}",
        units=int(counted.sum()),
    )


def _characters(part: TaggedPart, spellings: NDArray[np.int64]) -> NDArray[np.int64]:
    """As many columns as the longest of these tokens needs, at least one."""
    found = part.characters[spellings]
    longest = max(1, int((found != 0).any((0, 1)).sum()))
    return found[..., :longest].astype(np.int64)
