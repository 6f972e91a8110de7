"""An epoch of batches of tagged sentences, each of sentences of about the same length."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.data.sorted_pools import BY_LENGTH, Order, PooledBatches, lines_in_words
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


class TagBatches(PooledBatches[TagWindow]):
    """The batches of sentences of one epoch, each of sentences of about the same length.

    Args:
        part: the sentences.
        tokens: of a batch over all processes, padding included; a longer sentence is a batch by
            itself.
        sentences: of a batch at most.
        order: which epoch, and which part of it this process reads.

    Raises:
        SettingsError: limits that cannot be.
    """

    def __init__(
        self, part: TaggedPart, *, tokens: int, sentences: int, order: Order = BY_LENGTH
    ) -> None:
        if tokens < 1 or sentences < 1:
            raise SettingsError(
                f"a batch needs at least 1 token and 1 sentence, not {tokens} and {sentences}"
            )
        super().__init__(part.words.lengths[:, None], tokens, sentences, order)
        self.part = part

    def window(self, rows: NDArray[np.int64]) -> TagWindow:
        part = self.part
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
